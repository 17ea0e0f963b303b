/** What `/client.js` exports: the SDK, Playout and the adapters in one file. */
export * from './adapters.ts';
export * from './index.ts';
export * from './play-room.ts';
export * from './playout.ts';
