/**
 * The door to native code: the one file that loads the shared library. On a Node that has it, `node:ffi`
 * opens the library in half a millisecond; elsewhere koffi does. Both are hidden behind the same table of
 * plain functions: integers and buffers in, integers out, and -errno for an error.
 */
import { dirname, join } from 'node:path';
import { TsrunError } from '../lib/errors.ts';

type CType = 'i32' | 'u32' | 'i64' | 'u64' | 'string' | 'buffer';

interface Signature {
  readonly return: CType;
  readonly arguments: readonly CType[];
}

/** Every function of libtsrun.so (native/tsrun.h has the same list with its contracts). */
const SIGNATURES = {
  tsr_memfd: { return: 'i32', arguments: ['string', 'buffer', 'u64', 'i32', 'i32'] },
  tsr_spawn_helper: { return: 'i32', arguments: ['i32', 'i32', 'i32'] },
  tsr_pass_on: { return: 'i32', arguments: ['i32'] },
  tsr_wait: { return: 'i32', arguments: ['i32'] },
  tsr_kill: { return: 'i32', arguments: ['i32', 'u64', 'i32'] },
  tsr_start: { return: 'i32', arguments: ['string', 'buffer'] },
  tsr_notify_listen: { return: 'i32', arguments: ['string', 'string'] },
  tsr_notify_until_ready: { return: 'i32', arguments: ['i32', 'string', 'i32', 'u64'] },
  tsr_flock: { return: 'i32', arguments: ['i32', 'i32'] },
  tsr_lgetxattr: { return: 'i32', arguments: ['buffer', 'string', 'buffer', 'u32'] },
  tsr_llistxattr: { return: 'i32', arguments: ['buffer', 'buffer', 'u32'] },
  tsr_remove_tree: { return: 'i32', arguments: ['string'] },
  tsr_netlink: { return: 'i32', arguments: ['i32', 'i32', 'buffer', 'u32', 'buffer', 'u32'] },
  tsr_systemd_job: { return: 'i32', arguments: ['string', 'buffer', 'u32', 'buffer', 'u32'] },
  tsr_cgroup_device: { return: 'i32', arguments: ['string', 'buffer', 'u32'] },
  tsr_unpack_open: { return: 'i32', arguments: ['i32'] },
  tsr_unpack_event: { return: 'i32', arguments: ['i32'] },
  tsr_unpack_submit: { return: 'i32', arguments: ['i32', 'buffer', 'u32'] },
  tsr_unpack_close: { return: 'i32', arguments: ['i32', 'i32'] },
  tsr_unpack_finish: { return: 'i32', arguments: ['i32', 'buffer', 'u32'] },
} as const satisfies Record<string, Signature>;

type JsType<T extends CType> = T extends 'string'
  ? string
  : T extends 'buffer'
    ? Uint8Array
    : T extends 'i64' | 'u64'
      ? bigint
      : number;
type JsTypes<T extends readonly CType[]> = { -readonly [I in keyof T]: JsType<T[I]> };
export type NativeLibrary = {
  readonly [N in keyof typeof SIGNATURES]: (
    ...args: JsTypes<(typeof SIGNATURES)[N]['arguments']>
  ) => JsType<(typeof SIGNATURES)[N]['return']>;
};

const THIS_FILE = import.meta.filename;
let library: NativeLibrary | undefined;

/** The folder that holds libtsrun.so and tsrun-exec: beside the bundle when installed, native/build in the sources. */
export function nativeDirectory(): string {
  const here = dirname(THIS_FILE);
  return THIS_FILE.endsWith('.ts') ? join(here, '../../native/build') : here;
}

/** The native library, loaded at the first call. */
export function native(): NativeLibrary {
  library ??= load(`${nativeDirectory()}/libtsrun.so`);
  return library;
}

/** Throws a system error for a negative result (-errno), and hands back any other. */
export function checkErrno(result: number, tried: string): number {
  if (result >= 0) return result;
  const name = errnoName(result);
  throw Object.assign(new Error(`${tried}: ${name}`), { code: name, errno: result });
}

/** `EPERM` for -1. node:util is loaded only then: a command without an error needs nothing of it. */
export function errnoName(result: number): string {
  return process.getBuiltinModule('node:util').getSystemErrorName(result);
}

function load(path: string): NativeLibrary {
  try {
    return loadWithNodeFfi(path) ?? loadWithKoffi(path);
  } catch (cause) {
    throw new TsrunError('NATIVE_LIBRARY', `Cannot load the native library ${path}: ${String(cause)}`, {
      hint: 'build it with `make -C native`, or run `npm run setup`',
      cause,
    });
  }
}

interface NodeFfi {
  dlopen(path: string): { readonly lib: { getFunction(name: string, signature: Signature): unknown } };
}

function loadWithNodeFfi(path: string): NativeLibrary | undefined {
  const ffi = process.getBuiltinModule('node:ffi') as unknown as NodeFfi | undefined;
  if (ffi === undefined) return undefined;
  const { lib } = ffi.dlopen(path);
  return bindLazily((name, signature) => lib.getFunction(name, signature));
}

/** Each function is bound at its first use: binding takes 0.1 ms, and a command uses a few of them. */
function bindLazily(bind: (name: string, signature: Signature) => unknown): NativeLibrary {
  const table = {};
  for (const [name, signature] of Object.entries(SIGNATURES)) {
    Object.defineProperty(table, name, {
      configurable: true,
      get() {
        const value = bind(name, signature);
        Object.defineProperty(table, name, { value });
        return value;
      },
    });
  }
  return table as NativeLibrary;
}

interface Koffi {
  load(path: string): {
    func(name: string, result: string, args: readonly string[]): (...args: never) => unknown;
  };
}

function loadWithKoffi(path: string): NativeLibrary {
  const koffiTypes: Record<CType, string> = {
    i32: 'int32_t',
    u32: 'uint32_t',
    i64: 'int64_t',
    u64: 'uint64_t',
    string: 'const char *',
    buffer: 'void *',
  };
  const require = process.getBuiltinModule('node:module').createRequire(THIS_FILE);
  const lib = (require('koffi') as Koffi).load(path);
  return bindLazily((name, s) =>
    lib.func(
      name,
      koffiTypes[s.return],
      s.arguments.map((type) => koffiTypes[type]),
    ),
  );
}
