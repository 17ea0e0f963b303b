/** Samples a second of what these tests play. */
export const WAV_RATE = 8_000;

/** A WAV file of one channel of unsigned 8-bit samples, {@link WAV_RATE} a second. */
export function makeWav(samples: Uint8Array): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  for (const at of [20, 22, 32]) head.writeUInt16LE(1, at);
  for (const at of [24, 28]) head.writeUInt32LE(WAV_RATE, at);
  head.writeUInt16LE(8, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

/** A minute of silence: something that plays. */
export function makeSilence(): Buffer {
  return makeWav(Buffer.alloc(WAV_RATE * 60, 128));
}
