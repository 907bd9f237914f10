/**
 * What the translations of single ops write to, and what they must know of the ops before: which variable stands
 * for which descriptor, which mounts have been prepared but not yet attached, what the last command must do.
 */
import type { FdName, Op, OpName } from '../../kernel/ops.ts';
import { OPS } from '../../kernel/ops.ts';
import { wrap } from '../wrap.ts';
import { commentText, quote } from './quote.ts';

/** A mount between fsopen or open_tree and move_mount: mount(8) does all of it at once, at the end. */
export interface PendingMount {
  /** A new file system of this type, or a bind of `source`. */
  readonly fstype: string | undefined;
  /** A word. */
  source: string;
  readonly recursive: boolean;
  /** Words for `-o`. */
  readonly options: string[];
  /** A descriptor that may be absent, and the mount with it. */
  readonly needs: FdName | undefined;
  /** Attribute changes of a bind: mount(8) makes them after it is attached. */
  readonly remounts: { readonly options: string; readonly recursive: boolean }[];
}

/** Options that the tools at the end of the script get. */
export interface LastCommand {
  readonly setpriv: string[];
  /** A word. */
  directory: string;
}

/** Ones of the host's paths that the script has elsewhere: below its own temporary directory. */
export interface Relocation {
  readonly from: string;
  /** A word. */
  readonly to: string;
}

const COMMENT_WIDTH = 110;

export class ShellWriter {
  /** Lines of each function of the script, by its name, in the order they were begun. */
  readonly functions = new Map<string, string[]>();
  readonly mounts = new Map<FdName, PendingMount>();
  readonly last: LastCommand = { setpriv: [], directory: '/' };
  /** Words between `unshare` and the command it runs, and the command that stands before it. */
  readonly launch: { readonly flags: string[]; readonly nsenter: string[] } = { flags: [], nsenter: [] };
  /** The current directory, as a word. */
  directory = '.';
  /** Sockets of another network namespace, each with the descriptor of that namespace. */
  readonly enteredBy = new Map<FdName, FdName>();
  /** What is written is what the script does when the container has ended. */
  ending = false;
  /** After pivot_root: the host's programs are gone, but for those that the script has put aside. */
  inside = false;
  /** The ops of this process that come after the one being written. */
  upcoming: readonly Op[] = [];
  /** What the script cannot do, each once. */
  readonly limits = new Set<string>();
  /** Names of directories in the temporary one. */
  readonly places = new Set<string>();
  /** Lines that end the script before it has begun. */
  readonly refusals: string[] = [];
  /** Short names of image layers, and where they lead. */
  readonly layerPaths: ReadonlyMap<string, string>;
  readonly #relocations: readonly Relocation[];
  readonly #absent = new Set<FdName>();
  readonly #impossible = new Set<FdName>();
  readonly #variables = new Set<string>();
  #lines: string[] = [];

  constructor(relocations: readonly Relocation[], layerPaths: ReadonlyMap<string, string>) {
    this.layerPaths = layerPaths;
    this.#relocations = relocations;
  }

  /** The variables that stand for descriptors. */
  get variables(): readonly string[] {
    return [...this.#variables];
  }

  /** What is written from here on goes to the function `name`. */
  begin(name: string): void {
    this.#lines = this.functions.get(name) ?? [];
    this.functions.set(name, this.#lines);
  }

  line(...texts: readonly string[]): void {
    this.#lines.push(...texts);
  }

  comment(text: string): void {
    wrap(commentText(text), COMMENT_WIDTH - 2).forEach((line, i) => {
      this.#lines.push(`# ${i === 0 ? '' : '  '}${line}`);
    });
  }

  /** The shell runs `tool` with the next function of the script, which goes on where this one ends. */
  continueUnder(tool: string): void {
    const next = `stage_${this.functions.size}`;
    this.line(`exec ${tool} sh "$SELF" ${next}`);
    this.begin(next);
  }

  /** A command that works on these descriptors; it is left out at run time when a tolerant op found nothing. */
  command(text: string, ...needs: readonly (FdName | undefined)[]): void {
    const absent = needs.find((fd) => fd !== undefined && this.#absent.has(fd));
    this.line(absent === undefined ? text : `if [ -n ${this.variable(absent)} ]; then ${text}; fi`);
  }

  /** `"$rootfs"` */
  variable(fd: FdName): string {
    return `"$${variableName(fd)}"`;
  }

  assign(fd: FdName, word: string): void {
    this.#variables.add(variableName(fd));
    this.#absent.delete(fd);
    this.#impossible.delete(fd);
    this.mounts.delete(fd);
    this.line(`${variableName(fd)}=${word}`);
  }

  /** The descriptor exists only if the path does. */
  assignIfThere(fd: FdName, word: string): void {
    this.assign(fd, word);
    this.line(`[ -e ${this.variable(fd)} ] || ${variableName(fd)}=`);
    this.#absent.add(fd);
  }

  prepareMount(fd: FdName, mount: PendingMount): void {
    this.#impossible.delete(fd);
    this.#absent.delete(fd);
    this.mounts.set(fd, mount);
  }

  /** Whether an op after this one works on what is now called `fd`. */
  isUsedLater(fd: FdName): boolean {
    const next = this.upcoming.find((op) => mentions(op, fd, ['fd', 'at', 'into']));
    return next !== undefined && mentions(next, fd, ['fd', 'at']);
  }

  /** An empty directory, made before everything else, to put a mount on that the plan attaches nowhere. */
  place(fd: FdName): string {
    const name = `detached-${variableName(fd)}`;
    this.places.add(name);
    return `"$WORK"/${name}`;
  }

  /** What `path` is called in the script: below a descriptor, or on the host, where some paths are relocated. */
  path(at: FdName | undefined, path: string | Uint8Array): string {
    if (at !== undefined)
      return path.length === 0 ? this.variable(at) : `${this.variable(at)}/${quote(path)}`;
    return this.hostPath(path);
  }

  hostPath(path: string | Uint8Array): string {
    const text = typeof path === 'string' ? path : Buffer.from(path).toString();
    const moved = this.#relocations.find(({ from }) => text === from || text.startsWith(`${from}/`));
    if (moved === undefined) return quote(path);
    const rest = text.slice(moved.from.length);
    return `${moved.to}${rest === '' ? '' : quote(rest)}`;
  }

  /** No tool can do this op: it says why, and what would need its descriptor is left out as well. */
  impossible(op: Op, reason: string): void {
    this.limit(op.op, reason, 'NOT DONE: ');
    for (const fd of fieldsOf(op, ['into'])) this.#impossible.add(fd);
  }

  /** What the script does less well than the plan: said where it happens, and once at its head. */
  limit(name: OpName, text: string, mark = ''): void {
    this.comment(`${mark}${text}`);
    this.limits.add(`${name}: ${text}`);
  }

  /** The script would make something else than the plan: it does nothing at all. */
  refuse(reason: string): void {
    this.refusals.push(`fail ${quote(reason)}`);
  }

  /** A descriptor that the op needs and that no tool could open. */
  missing(op: Op): FdName | undefined {
    return fieldsOf(op, ['fd', 'at']).find((fd) => this.#impossible.has(fd));
  }
}

function variableName(fd: FdName): string {
  return fd.replaceAll(/[^a-z0-9]/g, '_');
}

type DescriptorKind = 'fd' | 'at' | 'into';

function fieldsOf(op: Op, wanted: readonly DescriptorKind[]): readonly FdName[] {
  return Object.entries(OPS[op.op].fields).flatMap(([name, kind]) => {
    const value = (op as unknown as Record<string, unknown>)[name];
    return (wanted as readonly string[]).includes(kind) && typeof value === 'string' ? [value] : [];
  });
}

function mentions(op: Op, fd: FdName, kinds: readonly DescriptorKind[]): boolean {
  return fieldsOf(op, kinds).includes(fd);
}
