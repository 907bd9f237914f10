/** Holds the import direction of the source folders, and the two doors of effects: native code and processes. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const SOURCES = join(import.meta.dirname, '../../src');

/** Each folder of src/ and the folders it may import. Siblings, such as cgroup and mounts, know nothing of each other. */
const BELOW_RUNTIME = ['lib', 'spec', 'kernel'];
const RUNTIME = [...BELOW_RUNTIME, 'cgroup', 'namespaces', 'mounts', 'security', 'network'];
const ENGINE = [...RUNTIME, 'runtime', 'image', 'registry', 'volume', 'monitor'];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  spec: ['lib'],
  kernel: ['lib', 'spec'],
  cgroup: BELOW_RUNTIME,
  namespaces: BELOW_RUNTIME,
  mounts: BELOW_RUNTIME,
  security: BELOW_RUNTIME,
  network: BELOW_RUNTIME,
  runtime: RUNTIME,
  image: BELOW_RUNTIME,
  registry: [...BELOW_RUNTIME, 'image'],
  volume: BELOW_RUNTIME,
  monitor: [...BELOW_RUNTIME, 'runtime'],
  engine: ENGINE,
  builder: [...ENGINE, 'engine'],
  compose: [...ENGINE, 'engine'],
  daemon: [...ENGINE, 'engine', 'builder'],
  explain: [...RUNTIME, 'runtime'],
  cli: [...ENGINE, 'engine', 'builder', 'compose', 'daemon', 'explain'],
};

/** Modules that only one place may use, and that place. */
const DOORS: readonly { readonly module: RegExp; readonly only: RegExp; readonly why: string }[] = [
  {
    module: /^(node:)?child_process$/,
    only: /^(cli\/oci\/ps|registry\/credential-helper)\.ts$/,
    why: 'processes are started by the native helper',
  },
  { module: /^(node:ffi|koffi)$/, only: /^kernel\//, why: 'native code is loaded in kernel/ alone' },
  { module: /^(node:)?cluster$/, only: /^$/, why: 'it forks Node' },
];

interface Import {
  readonly file: string;
  readonly line: number;
  readonly module: string;
}

/** `from '…'`, `import '…'`, `import('…')`, `require('…')`, `getBuiltinModule('…')`, with the line each stands in. */
function importsOf(file: string, text: string): Import[] {
  const pattern =
    /(?:^|[^\w.])(?:from|import|import\s*\(|require\s*\(|getBuiltinModule\s*\()\s*(['"`])([^'"`\n]+)\1/g;
  const code = text.replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, ' '));
  return [...code.replace(/\.getBuiltinModule/g, ' getBuiltinModule').matchAll(pattern)].map((match) => ({
    file,
    line: code.slice(0, match.index + match[0].length).split('\n').length,
    module: match[2] ?? '',
  }));
}

/** What is wrong with an import, or nothing. */
function complaint({ file, line, module }: Import): string | undefined {
  const door = DOORS.find((d) => d.module.test(module) && !d.only.test(file));
  if (door !== undefined) return `src/${file}:${line} imports ${module}: ${door.why}`;
  if (!module.startsWith('.')) return undefined;

  const target = relative(SOURCES, join(SOURCES, dirname(file), module));
  const [from = '', to = ''] = [file.split('/')[0], target.split('/')[0]];
  if (!module.endsWith('.ts') && !module.endsWith('.json'))
    return `src/${file}:${line} imports ${module} without its ending`;
  if (from === to || MAY_IMPORT[from]?.includes(to)) return undefined;
  return `src/${file}:${line} imports ${target}: ${from}/ may import ${MAY_IMPORT[from]?.join(', ') || 'nothing'}`;
}

const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);

test('every folder of src/ has its place in the import direction', () => {
  expect(files.length).toBeGreaterThan(0);
  expect(
    [...new Set(files.map((file) => file.split('/')[0]))].filter(
      (f) => !(f !== undefined && f in MAY_IMPORT),
    ),
  ).toEqual([]);
});

test('a file imports only from its own folder and the folders below', () => {
  const all = files.flatMap((file) => importsOf(file, readFileSync(join(SOURCES, file), 'utf8')));
  expect(all.map(complaint).filter((c) => c !== undefined)).toEqual([]);
});

describe('what the rule catches', () => {
  test.each([
    ['mounts/a.ts', "import { x } from '../cgroup/b.ts';", 'mounts/ may import lib, spec, kernel'],
    ['lib/a.ts', "import type { x } from '../spec/b.ts';", 'lib/ may import nothing'],
    ['engine/a.ts', "export * from '../cli/b.ts';", 'engine/ may import'],
    ['cli/a.ts', "await import('../../test/support/b.ts')", 'cli/ may import'],
    ['cli/a.ts', "import { spawn } from 'node:child_process';", 'processes are started by the native helper'],
    ['image/a.ts', "const k = require('koffi')", 'native code is loaded in kernel/ alone'],
    ['image/a.ts', "process.getBuiltinModule('node:ffi')", 'native code is loaded in kernel/ alone'],
    ['image/a.ts', "import {\n  x,\n} from '../lib/errors.js';", 'without its ending'],
  ])('%s: %s', (file, text, expected) => {
    expect(importsOf(file, text).map(complaint)).toEqual([expect.stringContaining(expected)]);
  });

  test('an import in a comment is none', () => {
    expect(importsOf('lib/a.ts', "/** import { x } from '../cli/b.ts'; */")).toEqual([]);
  });

  test('the line is the one the module name stands in', () => {
    expect(importsOf('lib/a.ts', "\nimport {\n  x,\n} from '../spec/b.ts';")).toEqual([
      { file: 'lib/a.ts', line: 4, module: '../spec/b.ts' },
    ]);
  });
});
