import { describe, expect, it } from 'vitest';
import { staleAfterOf, viewerUrlOf } from './page-settings.ts';

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
