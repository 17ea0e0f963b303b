import type { FastifyInstance } from 'fastify';
import { sendRefusal } from '../problem.ts';

/** Paths of one shape, and the methods that they take. */
interface Shape {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/**
 * Answers 405 with `Allow` where a path is known and the method is not one of its own, before the body is read. Call it
 * before the routes are added.
 */
export function refuseOtherMethods(app: FastifyInstance): void {
  const shapes = new Map<string, Shape>();
  app.addHook('onRoute', ({ url, method }) => {
    // The plugin for CORS takes OPTIONS of everything.
    if (url.includes('*')) return;
    const shape = shapes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
    shapes.set(url, shape);
    for (const name of [method].flat()) shape.methods.add(name);
  });
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    const [path = ''] = request.url.split('?');
    const methods = [...shapes.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap((shape) => [...shape.methods]);
    if (methods.length === 0) return;
    return sendRefusal(reply.header('Allow', methods.join(', ')), { code: 'METHOD_NOT_ALLOWED' });
  });
}

/** `/rooms/:room` → what one segment in its place looks like. */
function patternOf(url: string): RegExp {
  return new RegExp(`^${url.replaceAll(/[.+]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+')}$`);
}
