/**
 * Docker's USER strings (`name`, `uid`, `name:group`, `uid:gid`, empty) against an image's /etc/passwd and
 * /etc/group, with the rules of runc's user package, which Docker and Podman share.
 */
import { TsrunError } from '../lib/errors.ts';

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /**
   * The gid itself, then the groups of the user in /etc/group (none of these when a group was named). Without the gid
   * in the list a process could drop it by setgid(2) and pass a file mode that denies the group (CVE-2022-36109).
   */
  readonly additionalGids: readonly number[];
  /** Home directory, `/` when the user has no entry. */
  readonly home: string;
}

const MAX_ID = 2 ** 31 - 1;
const NUMERIC = /^[+-]?[0-9]+$/;

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/**
 * Who a process runs as. `passwd` and `group` are the files' bytes, or undefined where the image has none.
 * Throws USER_NOT_FOUND, GROUP_NOT_FOUND or USER_OUT_OF_RANGE.
 */
export function resolveUser(
  user: string,
  passwd: Buffer | undefined,
  group: Buffer | undefined,
): ResolvedUser {
  const colon = user.indexOf(':');
  const userPart = colon < 0 ? user : user.slice(0, colon);
  const groupPart = colon < 0 ? '' : user.slice(colon + 1);
  const users = parsePasswd(passwd);
  const groups = parseGroup(group);

  const entry = findUser(userPart, users);
  const uid = entry?.uid ?? (userPart === '' ? 0 : parseId(userPart, 'uid'));
  const home = entry?.home || '/';
  if (groupPart !== '') {
    const gid = findGroup(groupPart, groups);
    return { uid, gid, additionalGids: [gid], home };
  }

  const gid = entry?.gid ?? 0;
  const memberOf =
    entry === undefined ? [] : groups.filter((g) => g.members.includes(entry.name)).map((g) => g.gid);
  return { uid, gid, additionalGids: [...new Set([gid, ...memberOf])], home };
}

/** A number is always a uid, even where a user is called like it. Undefined for a number that has no entry. */
function findUser(text: string, users: readonly PasswdEntry[]): PasswdEntry | undefined {
  if (text === '') return users.find((u) => u.uid === 0);
  if (NUMERIC.test(text)) {
    const uid = parseId(text, 'uid');
    return users.find((u) => u.uid === uid);
  }
  const byName = users.find((u) => u.name === text);
  if (byName) return byName;
  throw new TsrunError('USER_NOT_FOUND', `unable to find user ${text}: no matching entries in passwd file`, {
    hint: 'the name must be in the image’s /etc/passwd; a numeric user id needs no entry',
  });
}

function findGroup(text: string, groups: readonly GroupEntry[]): number {
  if (NUMERIC.test(text)) return parseId(text, 'gid');
  const byName = groups.find((g) => g.name === text);
  if (byName) return byName.gid;
  throw new TsrunError('GROUP_NOT_FOUND', `unable to find group ${text}: no matching entries in group file`, {
    hint: 'the name must be in the image’s /etc/group; a numeric group id needs no entry',
  });
}

function parseId(text: string, what: 'uid' | 'gid'): number {
  const id = Number(text);
  if (id >= 0 && id <= MAX_ID) return id;
  throw new TsrunError(
    'USER_OUT_OF_RANGE',
    `Cannot use ${what} ${text}: it is out of range (0 to ${MAX_ID})`,
    {
      hint: 'choose an id between 0 and 2147483647',
    },
  );
}

/** name:password:uid:gid:comment:home:shell. Lines that are not of this form are passed over, as libc does. */
function parsePasswd(bytes: Buffer | undefined): PasswdEntry[] {
  return lines(bytes).flatMap(([name = '', , uid = '', gid = '', , home = '']) => {
    if (name === '' || !isFileId(uid) || !isFileId(gid)) return [];
    return [{ name, uid: Number(uid), gid: Number(gid), home: isSafeHome(home) ? home : '/' }];
  });
}

/** name:password:gid:member,member */
function parseGroup(bytes: Buffer | undefined): GroupEntry[] {
  return lines(bytes).flatMap(([name = '', , gid = '', members = '']) => {
    if (name === '' || !isFileId(gid)) return [];
    return [{ name, gid: Number(gid), members: members.split(',').map((m) => m.trim()) }];
  });
}

function isFileId(text: string): boolean {
  return /^[0-9]{1,10}$/.test(text) && Number(text) <= MAX_ID;
}

/** HOME goes into an environment: a control character in it would forge what reads the environment line by line. */
function isSafeHome(home: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
  return home.startsWith('/') && !/[\u0000-\u001f\u007f]/.test(home);
}

function lines(bytes: Buffer | undefined): string[][] {
  if (bytes === undefined) return [];
  return bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}
