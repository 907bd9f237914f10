import { describe, expect, test } from 'vitest';
import { parseTmpfs, parseVolume } from '../../../src/volume/parse.ts';

describe('-v', () => {
  test.each([
    ['/a:/b', '/a', '/b', ['rbind', 'rprivate']],
    ['/a:/b:ro', '/a', '/b', ['rbind', 'rro', 'rprivate']],
    ['/a:/b:rw', '/a', '/b', ['rbind', 'rw', 'rprivate']],
    ['/a:/b:', '/a', '/b', ['rbind', 'rprivate']],
    ['/a:/b:ro,rshared', '/a', '/b', ['rbind', 'rro', 'rshared']],
    ['/a/../c//d:/b/../e/', '/c/d', '/e', ['rbind', 'rprivate']],
    ['/:/host', '/', '/host', ['rbind', 'rprivate']],
    ['/mit Leerzeichen:/ü', '/mit Leerzeichen', '/ü', ['rbind', 'rprivate']],
    ['/a:/../../b', '/a', '/b', ['rbind', 'rprivate']],
  ])('%s', (text, source, destination, options) => {
    expect(parseVolume(text)).toEqual({ type: 'bind', source, destination, options });
  });

  test.each([
    ['', 'HOST:CONTAINER'],
    ['/a', 'HOST:CONTAINER'],
    ['/a:/b:ro:x', 'HOST:CONTAINER'],
    ['a:/b', 'not an absolute path of the host'],
    [':/b', 'not an absolute path of the host'],
    ['/a:b', 'not an absolute path in the container'],
    ['/a:', 'not an absolute path in the container'],
    ['/a:/', 'cannot be a mount point'],
    ['/a:/x/..', 'cannot be a mount point'],
    ['/a:/b:r0', '"r0" is not an option'],
    ['/a:/b:ro,', '"" is not an option'],
    ['/a:/b:constructor', '"constructor" is not an option'],
    ['/a:/b:ro,rw', 'both ro and rw'],
    ['/a:/b:shared,rslave', 'two kinds of propagation'],
  ])('%s is refused', (text, message) => {
    expect(() => parseVolume(text)).toThrow(
      expect.objectContaining({ code: 'BAD_VOLUME', message: expect.stringContaining(message) }),
    );
  });
});

describe('--tmpfs', () => {
  const basics = ['nosuid', 'nodev', 'noexec'];

  test.each([
    ['/t', '/t', basics],
    ['/t/', '/t', basics],
    ['/t:', '/t', basics],
    ['/t:size=1m,mode=700', '/t', [...basics, 'size=1m', 'mode=700']],
    ['/t:exec', '/t', [...basics, 'exec']],
  ])('%s', (text, destination, options) => {
    expect(parseTmpfs(text)).toEqual({ type: 'tmpfs', source: 'tmpfs', destination, options });
  });

  test.each(['', 't', '/', '/a/..', ':size=1m'])('%j is refused', (text) => {
    expect(() => parseTmpfs(text)).toThrow(expect.objectContaining({ code: 'BAD_TMPFS' }));
  });
});
