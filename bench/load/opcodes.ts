/** First header bytes of whole messages: FIN and the opcode. */
export const TEXT_FRAME = 0x81;
export const BINARY_FRAME = 0x82;

/** The parts of a first header byte, and that of the last fragment of a message. */
export const FIN = 0x80;
export const OPCODE_BITS = 0x0f;
export const LAST_FRAGMENT = 0x80;
