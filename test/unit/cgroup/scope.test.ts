import { expect, test } from 'vitest';
import { parseScope, slicePath } from '../../../src/cgroup/scope.ts';

test('slice:prefix:name is a unit in a slice', () => {
  expect(parseScope('system.slice:tsrun:web')).toEqual({
    unit: 'tsrun-web.scope',
    slice: 'system.slice',
    path: 'system.slice/tsrun-web.scope',
    name: 'web',
  });
  expect(parseScope(':docker:1').path).toBe('system.slice/docker-1.scope');
  expect(parseScope('-.slice::x').path).toBe('x.scope');
});

test.each([
  ['system.slice', ['system.slice']],
  ['a-b.slice', ['a.slice', 'a-b.slice']],
  ['a-b_c-d.e.slice', ['a.slice', 'a-b_c.slice', 'a-b_c-d.e.slice']],
  ['-.slice', []],
])('%s lies at %j', (slice, path) => {
  expect(slicePath(slice)).toEqual(path);
});

test.each([
  '',
  'a',
  '.slice',
  '-a.slice',
  'a-.slice',
  'a--b.slice',
  'a/b.slice',
  'a@b.slice',
  'ä.slice',
  `${'x'.repeat(250)}.slice`,
])('%j is no slice', (slice) => {
  expect(() => slicePath(slice)).toThrow('as the slice of a container');
});

test.each(['tsrun-x', '/a/b', 'system.slice:x', 'system.slice:a:b:c', 'system.slice:a:'])(
  '%j is no path for systemd',
  (path) => {
    expect(() => parseScope(path)).toThrow('as the path of a cgroup that systemd makes');
  },
);

test.each(['a b', 'a/b', "a'b", 'x'.repeat(250)])('%j is no name of a unit', (name) => {
  expect(() => parseScope(`system.slice:tsrun:${name}`)).toThrow('as the name of a unit');
});
