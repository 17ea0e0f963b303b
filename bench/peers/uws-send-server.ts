/** `node uws-send-server.js FRAMES EVERY_MS`: uWebSockets.js, one `send` a viewer. */
import { App, us_socket_local_port, type WebSocket } from '../../workers/uws.ts';
import { asIs, MOST_WAITING, pushFrames, tellPort } from './peer-server.ts';

const viewers = new Set<WebSocket<unknown>>();

App()
  .ws('/*', {
    // What goes over it is dropped by the library itself.
    maxBackpressure: MOST_WAITING,
    open: (viewer) => void viewers.add(viewer),
    close: (viewer) => void viewers.delete(viewer),
  })
  .listen('127.0.0.1', 0, (listening) => {
    if (listening === false) throw new Error('cannot listen');
    tellPort(us_socket_local_port(listening));
  });

pushFrames(asIs, (frame) => {
  for (const viewer of viewers) viewer.send(frame, true);
});
