import { describe, expect, it } from 'vitest';
import { readOptions } from './replay-command.ts';

describe('the options of replay', () => {
  it('have defaults for all but the file and the room', () => {
    expect(readOptions(['live.xml', '--room', 'demo'])).toEqual({
      file: 'live.xml',
      room: 'demo',
      speed: 1,
      url: 'http://127.0.0.1:9001',
      times: 1,
      progress: true,
    });
  });

  it('can all be set', () => {
    const argv = 'a.xml --room a:b --speed 0.5 --url https://volley.example/api/ --times 20 --no-progress'.split(' ');
    expect(readOptions(argv)).toEqual({
      file: 'a.xml',
      room: 'a:b',
      speed: 0.5,
      url: 'https://volley.example/api',
      times: 20,
      progress: false,
    });
  });

  it.each([
    ['--speed 0', '--speed "0" must be a number above 0'],
    ['--speed fast', '--speed "fast" must be a number above 0'],
    ['--speed Infinity', '--speed "Infinity" must be a number above 0'],
    ['--speed=', '--speed "" must be a number above 0'],
    ['--times 0', '--times "0" must be a whole number, 1 or more'],
    ['--times 1.5', '--times "1.5" must be a whole number, 1 or more'],
    ['--room a/b', '--room "a/b" must be 1 to 64 characters of A-Z, a-z, 0-9 and . _ : -'],
    [
      '--url localhost:9001',
      '--url "localhost:9001" must be an http:// or https:// address without user, query and hash',
    ],
    ['--url http://a:b@h', '--url "http://a:b@h" must be an http:// or https:// address without user, query and hash'],
    ['--sped 2', `unknown option '--sped'; see npm run replay -- --help`],
    ['other.xml', `only one FILE can be replayed; see npm run replay -- --help`],
  ])('name what is wrong with %s', (wrong, fault) => {
    expect(readOptions(['live.xml', '--room', 'demo', ...wrong.split(' ')])).toEqual({ fault });
  });

  it('miss the file and the room', () => {
    expect(readOptions(['--room', 'demo'])).toEqual({
      fault: `missing required argument 'FILE'; see npm run replay -- --help`,
    });
    expect(readOptions(['a.xml'])).toEqual({
      fault: `required option '--room <R>' not specified; see npm run replay -- --help`,
    });
  });

  it('are listed by --help', () => {
    const read = readOptions(['--help']);
    const help = 'help' in read ? read.help : '';
    expect(help.match(/--[a-z-]+(?= )/g)).toEqual(expect.arrayContaining(['--room', '--speed', '--url', '--times']));
  });
});
