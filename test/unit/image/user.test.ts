import { expect, test } from 'vitest';
import { resolveUser } from '../../../src/image/user.ts';

const passwd = Buffer.from(
  'root:x:0:0:root:/root:/bin/sh\n# comment\nbroken\nweb:x:33:34::/var/www:\n1000:x:5:6::/odd:\nbad:x:0:0::/a\x1bb:\n',
);
const group = Buffer.from('root:x:0:\nwww:x:34:\nlogs:x:4:web,other\nmore:x:7:web\nweb:x:34:web\n');
const resolve = (user: string) => resolveUser(user, passwd, group);

test('nobody named is root, with the home of the passwd file', () => {
  expect(resolve('')).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: '/root' });
  expect(resolveUser('', undefined, undefined)).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: '/' });
});

test('a name gives the ids, the home and the groups that list the user, each once', () => {
  expect(resolve('web')).toEqual({ uid: 33, gid: 34, additionalGids: [34, 4, 7], home: '/var/www' });
  expect(resolve('33')).toEqual(resolve('web'));
});

test('a number that no user has keeps group 0 and the home /', () => {
  expect(resolve('4242')).toEqual({ uid: 4242, gid: 0, additionalGids: [0], home: '/' });
});

test('a group that is named replaces all the groups of the user, and is itself in the list', () => {
  expect(resolve('web:logs')).toEqual({ uid: 33, gid: 4, additionalGids: [4], home: '/var/www' });
  expect(resolve('web:99')).toMatchObject({ gid: 99, additionalGids: [99] });
  expect(resolve(':logs')).toMatchObject({ uid: 0, gid: 4 });
});

test('a number is a uid, even where a user is called like it', () => {
  expect(resolve('1000')).toMatchObject({ uid: 1000, gid: 0 });
});

test('unknown names are errors in the words that users of Docker know', () => {
  expect(() => resolve('foo')).toThrow('unable to find user foo: no matching entries in passwd file');
  expect(() => resolve('web:foo')).toThrow('unable to find group foo: no matching entries in group file');
});

test('ids beyond 2^31-1, negative ones and endless digits are out of range', () => {
  expect(resolve('2147483647').uid).toBe(2147483647);
  for (const user of ['2147483648', '-1000', '4294967296', '9'.repeat(36), '1:2147483648']) {
    expect(() => resolve(user), user).toThrow('out of range');
  }
  for (const user of ['0x0', '1e9']) expect(() => resolve(user), user).toThrow('unable to find user');
});

test('a home with control characters is not used', () => {
  expect(resolve('bad').home).toBe('/');
});
