import { describe, expect, it } from 'vitest';
import { EventListeners } from './event-listeners.ts';

interface Events {
  number: number;
  text: string;
}

describe('EventListeners', () => {
  it('calls the listeners of an event, in their order, and no others', () => {
    const heard: unknown[] = [];
    const events = new EventListeners<Events>();
    events.on('number', (number) => heard.push(number));
    events.on('number', (number) => heard.push(-number));
    events.on('text', (text) => heard.push(text));
    events.emit('number', 1);
    expect(heard).toStrictEqual([1, -1]);
    events.emit('text', 'a');
    expect(heard).toStrictEqual([1, -1, 'a']);
  });

  it('takes off the one listener whose off is called, even where the function was added twice', () => {
    const heard: number[] = [];
    const events = new EventListeners<Events>();
    const listener = (number: number): void => {
      heard.push(number);
    };
    const off = events.on('number', listener);
    events.on('number', listener);
    off();
    off();
    events.emit('number', 7);
    expect(heard).toStrictEqual([7]);
  });

  it('calls the others when one throws, and reports what it threw', () => {
    const heard: number[] = [];
    const reported: unknown[] = [];
    const events = new EventListeners<Events>((error) => reported.push(error));
    const error = new Error('mine');
    events.on('number', () => {
      throw error;
    });
    events.on('number', (number) => heard.push(number));
    events.emit('number', 3);
    expect(heard).toStrictEqual([3]);
    expect(reported).toStrictEqual([error]);
  });

  it('makes it an uncaught error where nothing else is said, as for any event listener', async () => {
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    try {
      const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve));
      const events = new EventListeners<Events>();
      events.on('text', (text) => {
        throw new Error(text);
      });
      events.emit('text', 'oops');
      expect(await uncaught).toStrictEqual(new Error('oops'));
    } finally {
      for (const listener of before) process.on('uncaughtException', listener);
    }
  });

  it('lets a listener take itself off', () => {
    let calls = 0;
    const events = new EventListeners<Events>();
    const off = events.on('text', () => {
      calls += 1;
      off();
    });
    events.emit('text', 'a');
    events.emit('text', 'b');
    expect(calls).toBe(1);
  });
});
