import { describe, expect, it } from 'vitest';
import { resolveTarget, sourceAddress } from './connection.ts';

describe('the target', () => {
  it('is looked up once, and keeps the name for the Host header', async () => {
    const target = await resolveTarget('ws://127.0.0.1:9000');
    expect(target).toEqual({ url: 'ws://127.0.0.1:9000', port: 9_000, host: '127.0.0.1:9000', address: '127.0.0.1' });
    expect(await resolveTarget('ws://[::1]:9000')).toMatchObject({ address: '::1', host: '[::1]:9000' });
    expect(await resolveTarget('ws://127.0.0.1')).toMatchObject({ port: 80, host: '127.0.0.1' });
  });

  it('is reached from several addresses only where it is this host and one address has too few ports', async () => {
    const here = await resolveTarget('ws://127.0.0.1:9000');
    expect(sourceAddress(here, 19_999, 20_000)).toBeUndefined();
    expect(sourceAddress(here, 0, 20_001)).toBe('127.0.0.1');
    expect(sourceAddress(here, 19_999, 50_000)).toBe('127.0.0.1');
    expect(sourceAddress(here, 20_000, 50_000)).toBe('127.0.0.2');
    expect(sourceAddress(here, 49_999, 50_000)).toBe('127.0.0.3');
    expect(sourceAddress({ ...here, address: '10.0.0.1' }, 49_999, 50_000)).toBeUndefined();
  });
});
