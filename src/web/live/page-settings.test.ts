import { describe, expect, it } from 'vitest';
import { readAddress, staleAfterOf, viewerUrlOf } from './page-settings.ts';

describe('the viewers’ URL of a page', () => {
  it('is the public one where there is one', () => {
    const settings = {
      viewerUrl: 'wss://live.example/v',
      port: 9_000,
      maxText: 200,
      viewerNames: true,
      heartbeat: 15_000,
    };
    expect(viewerUrlOf(settings, { protocol: 'http:', hostname: 'other' })).toBe('wss://live.example/v');
  });

  it('is on the page’s own host else, and secure where the page is', () => {
    const settings = { viewerUrl: null, port: 9_000, maxText: 200, viewerNames: true, heartbeat: 15_000 };
    expect(viewerUrlOf(settings, { protocol: 'http:', hostname: 'a.example' })).toBe('ws://a.example:9000');
    expect(viewerUrlOf(settings, { protocol: 'https:', hostname: '[::1]' })).toBe('wss://[::1]:9000');
  });
});

describe('a link on which nothing is heard', () => {
  it('counts as dead after 40 s, or when two presences and a half are due', () => {
    const settings = { viewerUrl: null, port: 9_000, maxText: 200, viewerNames: true };
    expect(staleAfterOf({ ...settings, heartbeat: 15_000 })).toBe(40_000);
    expect(staleAfterOf({ ...settings, heartbeat: 60_000 })).toBe(150_000);
  });
});

describe('the address of the live page', () => {
  it('leads to the room demo and its own picture where it says nothing', () => {
    expect(readAddress('')).toEqual({ room: 'demo', roomIsValid: true, source: undefined });
  });

  it('names the room, which must be one', () => {
    expect(readAddress('?room=a.b:c_d-9')).toMatchObject({ room: 'a.b:c_d-9', roomIsValid: true });
    for (const [query, room] of [
      ['?room=', ''],
      ['?room=a%20b', 'a b'],
      ['?room=%3Cb%3E', '<b>'],
      [`?room=${'x'.repeat(65)}`, 'x'.repeat(65)],
      ['?room=%E5%BC%B9%E5%B9%95', '弹幕'],
    ] as const)
      expect(readAddress(query), query).toMatchObject({ room, roomIsValid: false });
  });

  it('tells files from playlists by their path', () => {
    for (const [url, kind] of [
      ['https://cdn.example/a.mp4', 'file'],
      ['https://cdn.example/a.m3u8', 'playlist'],
      ['http://cdn.example/a.m3u8?token=1#t=2', 'playlist'],
      ['https://cdn.example/a.mp4?next=b.m3u8', 'file'],
    ] as const)
      expect(readAddress(`?src=${encodeURIComponent(url)}`).source, url).toEqual({ url, kind });
  });

  it('plays http and https only', () => {
    for (const url of [
      'javascript:alert(1)',
      'data:video/mp4,x',
      'blob:https://a/b',
      'file:///a.mp4',
      '/a.mp4',
      '',
      'http://',
    ])
      expect(readAddress(`?src=${encodeURIComponent(url)}`).source, url).toBeNull();
  });
});
