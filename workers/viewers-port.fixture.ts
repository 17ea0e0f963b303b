import { request as openRequest } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly headers: Record<string, unknown>;
  readonly body: string;
  /** The member `code` of a problem. */
  readonly code: string | undefined;
}

/** The headers of a good handshake. */
export const UPGRADE = {
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

/**
 * One HTTP request on the viewers' port, its path sent as it is. An upgrade is answered by status 101, and dropped.
 * `base` is `ws://HOST:PORT`.
 */
export function request(base: string, path: string, headers: Record<string, string>, method: string): Promise<Answer> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const asked = openRequest({ hostname, port, path, method, headers, agent: false });
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: 101, type: undefined, headers: response.headers, body: '', code: undefined });
    });
    asked.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => {
        const type = response.headers['content-type'];
        const code = body.startsWith('{') ? (JSON.parse(body) as { code?: string }).code : undefined;
        resolve({ status: response.statusCode ?? 0, type, headers: response.headers, body, code });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}
