import { expect, test } from 'vitest';
import { familiarName, fullName, parseReference } from '../../../src/image/reference.ts';

const HEX = 'a'.repeat(64);

const GOOD: readonly (readonly [text: string, full: string, familiar: string])[] = [
  ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
  ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
  ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
  ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
  ['user/app', 'docker.io/user/app:latest', 'user/app:latest'],
  ['a/b/c:t', 'docker.io/a/b/c:t', 'a/b/c:t'],
  ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
  ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
  ['quay.io/org/app__x-y.z', 'quay.io/org/app__x-y.z:latest', 'quay.io/org/app__x-y.z:latest'],
  ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
  [`busybox@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
  [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox:1@sha256:${HEX}`, `busybox:1@sha256:${HEX}`],
  ['library/library/x', 'docker.io/library/library/x:latest', 'library/library/x:latest'],
];

for (const [text, full, familiar] of GOOD) {
  test(`${text} is ${full}, shown as ${familiar}`, () => {
    const reference = parseReference(text);
    expect(fullName(reference)).toBe(full);
    expect(familiarName(reference)).toBe(familiar);
    expect(parseReference(full)).toEqual(reference);
  });
}

const BAD: readonly (readonly [text: string, problem: string])[] = [
  ['', 'no name'],
  [':tag', 'no name'],
  ['BusyBox', 'lower case'],
  ['busybox:', 'tag'],
  ['busybox:-x', 'tag'],
  [`busybox:${'x'.repeat(129)}`, 'tag'],
  ['busybox@sha256:abc', 'not a digest'],
  [`busybox@sha256:${HEX.toUpperCase()}`, 'not a digest'],
  [`busybox@md5:${HEX}`, 'not a digest'],
  ['a//b', 'empty path component'],
  ['busybox/', 'empty path component'],
  ['a___b', 'joined by'],
  ['-a', 'joined by'],
  ['a b', 'joined by'],
  ['../x', 'registry host'],
  ['host:port/app', 'registry host'],
  [`x/${'y'.repeat(260)}`, 'longer than 255'],
];

for (const [text, problem] of BAD) {
  test(`${JSON.stringify(text.slice(0, 40))} is refused: ${problem}`, () => {
    expect(() => parseReference(text)).toThrow(problem);
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'IMAGE_REFERENCE_INVALID' }));
  });
}
