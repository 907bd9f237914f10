import { describe, expect, test } from 'vitest';
import { checkCount, type FlagTable, helpOf, parseFlags } from '../../../src/cli/flags.ts';

const TABLE = {
  interactive: { short: 'i', type: 'switch', help: 'pass input' },
  tty: { short: 't', type: 'switch', help: 'a terminal' },
  rm: { type: 'switch', help: 'remove it' },
  env: { short: 'e', type: 'list', value: 'NAME=VALUE', help: 'a variable' },
  name: { type: 'text', help: 'its name' },
  network: { also: ['net'], type: 'list', help: 'its networks' },
  user: { short: 'u', type: 'text', value: 'USER', help: 'its user' },
} as const satisfies FlagTable;

const run = (...args: string[]) => parseFlags(TABLE, args, { verb: 'run', stopsAtFirstWord: true });
const list = (...args: string[]) => parseFlags(TABLE, args, { verb: 'ps' });

describe('flags as Docker takes them', () => {
  test.each<[string[], object]>([
    [
      [],
      { interactive: false, tty: false, rm: false, env: [], name: undefined, network: [], user: undefined },
    ],
    [['-i', '-t'], { interactive: true, tty: true }],
    [['-it'], { interactive: true, tty: true }],
    [['-ti'], { interactive: true, tty: true }],
    [['-e', 'A=b'], { env: ['A=b'] }],
    [['-eA=b'], { env: ['A=b'] }],
    [['-e=A=b'], { env: ['A=b'] }],
    [['-i=false', '-t=true'], { interactive: false, tty: true }],
    [['--env', 'A=b'], { env: ['A=b'] }],
    [['--env=A=b'], { env: ['A=b'] }],
    [['--env=A=', '-e', 'B'], { env: ['A=', 'B'] }],
    [['-ite', 'A=b'], { interactive: true, tty: true, env: ['A=b'] }],
    [['-iteA=b'], { interactive: true, tty: true, env: ['A=b'] }],
    [['--rm'], { rm: true }],
    [['--rm=true'], { rm: true }],
    [['--rm=false'], { rm: false }],
    [['--rm', '--rm=0'], { rm: false }],
    [['--rm=T'], { rm: true }],
    [['--name', 'a', '--name', 'b'], { name: 'b' }],
    [['--name='], { name: '' }],
    [['--name', ''], { name: '' }],
    [['--name', '-x'], { name: '-x' }],
    [['-u', '1:2'], { user: '1:2' }],
    [['--net', 'a', '--network=b', '--net=c'], { network: ['a', 'b', 'c'] }],
  ])('%j', (args, expected) => {
    expect(run(...args).flags).toMatchObject(expected);
    expect(run(...args).rest).toEqual([]);
  });
});

describe('the words after the flags', () => {
  test.each<[string[], string[]]>([
    [['image'], ['image']],
    [
      ['--rm', 'image', '-it', '--rm=x'],
      ['image', '-it', '--rm=x'],
    ],
    [
      ['-it', 'image', 'sh', '-c', 'echo -e'],
      ['image', 'sh', '-c', 'echo -e'],
    ],
    [
      ['-ite', 'A=b', 'image', '--', 'x'],
      ['image', '--', 'x'],
    ],
    [
      ['--', 'image', '--rm'],
      ['image', '--rm'],
    ],
    [
      ['-e', 'A=b', 'image', '--unknown'],
      ['image', '--unknown'],
    ],
    [
      ['image', ''],
      ['image', ''],
    ],
  ])('%j belong to the program, whatever they look like', (args, rest) => {
    expect(run(...args).rest).toEqual(rest);
  });

  test('a hyphen alone is a word', () => {
    expect(list('-', '--rm')).toMatchObject({ flags: { rm: true }, rest: ['-'] });
  });

  test('of a verb that takes names may stand before its flags', () => {
    expect(list('one', '--rm', 'two')).toMatchObject({ flags: { rm: true }, rest: ['one', 'two'] });
  });
});

describe('what is no flag', () => {
  test.each([
    [['--unknown'], 'unknown flag: --unknown'],
    [['-x'], 'unknown flag: -x'],
    [['-itx'], 'unknown flag: -x'],
    [['-xe'], 'unknown flag: -x'],
    [['-i=maybe'], '-i takes true or false, not "maybe"'],
    [['--constructor'], 'unknown flag: --constructor'],
    [['--__proto__=1'], 'unknown flag: --__proto__'],
    [['--no-rm'], 'unknown flag: --no-rm'],
    [['--rm=maybe'], '--rm takes true or false, not "maybe"'],
    [['--rm=constructor'], '--rm takes true or false, not "constructor"'],
    [['--rm='], '--rm takes true or false, not ""'],
    [['--name'], 'flag needs an argument: --name'],
    [['-e'], 'flag needs an argument: -e'],
    [['-ite'], 'flag needs an argument: -e'],
  ])('%j', (args, message) => {
    expect(() => run(...args)).toThrow(
      expect.objectContaining({ code: 'USAGE', message, hint: "see 'tsrun run --help'", exitCode: 125 }),
    );
  });
});

test.each([
  [0, 0, 1, 'takes exactly 0 arguments, not 1'],
  [1, 1, 2, 'takes exactly 1 argument, not 2'],
  [2, 2, 0, 'takes exactly 2 arguments, not 0'],
  [1, undefined, 0, 'takes at least 1 argument'],
])('%s to %s words, but %s are given', (least, most, given, message) => {
  expect(() => checkCount({ verb: 'x' }, Array(given).fill('w'), least, most)).toThrow(message);
});

test('the help shows each flag in a line, with its short form and the name of its value', () => {
  expect(helpOf(TABLE).split('\n')).toEqual(
    expect.arrayContaining(['  -e, --env NAME=VALUE  a variable', '      --name VALUE      its name']),
  );
});
