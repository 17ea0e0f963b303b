/** First header bytes of whole messages: FIN and the opcode. */
export const TEXT_FRAME = 0x81;
export const BINARY_FRAME = 0x82;
