/** Words of a script, judged by real shells: what goes in must come out, byte for byte. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  commentText,
  printfFormat,
  quote,
  quoteAll,
  quoteVariables,
} from '../../../src/explain/shell/quote.ts';

const HOSTILE: Readonly<Record<string, string | Uint8Array>> = {
  empty: '',
  plain: 'true',
  spaces: '  two  words ',
  'single quotes': "it's '' '\\''",
  'double quotes': '"$HOME"',
  'a command substitution': '$(echo gone wrong) `echo too`',
  'an end of the line and a command': "a\necho gone wrong\n'\necho too",
  'newlines at the end': 'kept\n\n\n',
  'only a newline': '\n',
  'a carriage return': 'a\r\nb\r',
  'an escape sequence': '\u001b[31mred\u001b[0m\u009b1m',
  backslashes: '\\ \\n \\\\ %s %%',
  'a glob': '* ? [a-z] ~ {a,b} #no comment ! $!',
  'a hyphen': '-n',
  'an assignment': 'PATH=/nowhere',
  'a variable of the script': '"$BYTE_0A" $BYTE_1B',
  'other alphabets': 'zażółć 日本 🙂 \u2028',
  'bytes that are not UTF-8': Buffer.from([0x61, 0xff, 0xfe, 0x0a, 0x27, 0x80]),
  'every byte but NUL': Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1)),
};

const SHELLS: readonly (readonly string[])[] = [['dash'], ['bash'], ['busybox', 'sh']];

function runScript([shell = '', ...args]: readonly string[], lines: readonly string[]): Buffer {
  const script = ['set -eua', 'LC_ALL=C', ...lines].join('\n');
  return execFileSync(shell, [...args, '-c', script], {
    env: { PATH: process.env.PATH ?? '' },
    // bash takes a socket as its input for a remote login, and reads start-up files.
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

describe.each(SHELLS)('in %s', (...shell) => {
  test.each(Object.entries(HOSTILE))('%s comes out of a word as it went in', (_name, text) => {
    const line = `printf '%s' ${quote(text)}`;
    expect(runScript(shell, [...quoteVariables(line), line])).toEqual(Buffer.from(text));
  });

  test.each(Object.entries(HOSTILE))('%s is printed by its printf format', (_name, text) => {
    expect(runScript(shell, [`printf ${printfFormat(Buffer.from(text))}`])).toEqual(Buffer.from(text));
  });
});

test.each(Object.entries(HOSTILE))('%s is one line of printable text in a script', (_name, text) => {
  for (const word of [quote(text), printfFormat(Buffer.from(text)), commentText(String(text))])
    expect(word).not.toMatch(/\p{Cc}/u);
});

test('a word that needs no quotes has none', () => {
  expect(quoteAll(['/bin/sh', '-c', 'echo hi', 'a=b'])).toBe("/bin/sh -c 'echo hi' a=b");
});

test('variables are defined only for the bytes that are used', () => {
  expect(quoteVariables('echo plain')).toEqual([]);
  expect(quoteVariables(`echo ${quote('a\nb')}`)).toEqual([
    `BYTE_0A=$(printf '\\012_') BYTE_0A=\${BYTE_0A%_}`,
  ]);
});
