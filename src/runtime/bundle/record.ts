/**
 * Containers that were made from bundles, as `tsrun-oci` keeps them: a directory each, below a root that engines choose. What is
 * in it is written once; what became of the container is read from the kernel.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { ContainerCgroups } from '../../cgroup/host.ts';
import { type HostPath, hostPath } from '../../lib/brands.ts';
import { errnoOf, TsrunError } from '../../lib/errors.ts';
import { namesIn, readFileIfThere } from '../../lib/files.ts';
import type { ContainerIdentity } from '../../security/plan-listener.ts';
import { parseExactJson, stringifyExactJson } from '../../spec/exact-json.ts';
import type { RuntimeSpec } from '../../spec/runtime.ts';
import { START_SOCKET } from '../plan-detached.ts';
import { isAlive, ownMark, type ProcessMark, parseMark } from '../process-mark.ts';
import { isPaused } from './freezer.ts';

/** The version of the specification that this runtime implements. */
export const OCI_VERSION = '1.3.0';

export interface BundleRecord {
  readonly id: string;
  /** The directory of config.json. */
  readonly bundle: HostPath;
  readonly rootfs: HostPath;
  readonly createdAtMs: number;
  /** The user of the host who made it. */
  readonly owner: string;
  /** The process that makes it: whatever it left unfinished when it is gone, nobody finishes. */
  readonly maker: string;
  readonly cgroups: ContainerCgroups;
  /** The configuration as it was at the creation: later changes of the bundle mean nothing. */
  readonly spec: RuntimeSpec;
  /** The compiled system call filter, which programs that are added later get too. */
  readonly seccomp: { readonly flags: number; readonly programBase64: string } | undefined;
}

/** runtime.md, State; `paused` is what runc adds. */
export type BundleStatus = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

export interface BundleContainer extends BundleRecord {
  readonly dir: HostPath;
  /** Its first process, which may be gone. */
  readonly process: ProcessMark | undefined;
  readonly status: BundleStatus;
}

const RECORD = 'state.json';

/** Letters, digits and `_+-.`, as runc has it: an id becomes the name of a directory. */
export function checkId(id: string): string {
  if (/^[\w+.-]{1,1024}$/.test(id) && id !== '.' && id !== '..') return id;
  throw new TsrunError('BAD_ID', `invalid container ID format: ${JSON.stringify(id)}`, {
    hint: 'use letters, digits and the signs _ + - .',
    exitCode: 1,
  });
}

/** Takes the id: its directory is made by one process, and by no second one. */
export function reserve(root: HostPath, id: string): HostPath {
  mkdirSync(root, { recursive: true, mode: 0o711 });
  const dir = hostPath(`${root}/${checkId(id)}`);
  try {
    mkdirSync(dir, { mode: 0o711 });
  } catch (cause) {
    if (errnoOf(cause) !== 'EEXIST') throw cause;
    throw new TsrunError('ID_IN_USE', `container with given ID already exists: ${id}`, {
      hint: `choose another id, or remove the container with: delete ${id}`,
      exitCode: 1,
      cause,
    });
  }
  return dir;
}

/** The record is there whole or not at all: others read it at any time, and this process may be killed at any. */
export function writeRecord(dir: HostPath, record: Omit<BundleRecord, 'maker'>): void {
  const unfinished = `${dir}/${RECORD}.new`;
  writeFileSync(unfinished, stringifyExactJson({ ...record, maker: ownMark() }), { mode: 0o600 });
  renameSync(unfinished, `${dir}/${RECORD}`);
}

/** Throws when there is no such container. */
export function findContainer(root: HostPath, id: string): BundleContainer {
  const found = readContainer(root, checkId(id));
  if (found !== undefined) return found;
  throw new TsrunError('NO_SUCH_CONTAINER', `container does not exist: ${id}`, { exitCode: 1 });
}

export function listContainers(root: HostPath): readonly BundleContainer[] {
  return namesIn(root)
    .toSorted()
    .flatMap((id) => readContainer(root, id) ?? []);
}

function readContainer(root: HostPath, id: string): BundleContainer | undefined {
  const dir = hostPath(`${root}/${id}`);
  const text = readFileIfThere(`${dir}/${RECORD}`);
  if (text === undefined) return undefined;
  const record = parseExactJson(text) as BundleRecord;
  const process = parseMark(readFileIfThere(`${dir}/pid`));
  return { ...record, dir, process, status: statusOf(record, dir, process) };
}

function statusOf(record: BundleRecord, dir: HostPath, process: ProcessMark | undefined): BundleStatus {
  if (process === undefined) {
    const maker = parseMark(record.maker);
    return maker !== undefined && isAlive(maker) ? 'creating' : 'stopped';
  }
  if (!isAlive(process)) return 'stopped';
  if (isPaused(record.cgroups)) return 'paused';
  return existsSync(startSocket(dir)) ? 'created' : 'running';
}

/** Is there as long as the container waits to be started. */
export function startSocket(dir: HostPath): HostPath {
  return hostPath(`${dir}/${START_SOCKET}`);
}

/** The state as the specification has it: what hooks are told, and `state` prints. runtime.md, State. */
export function stateOf(
  { id, bundle, spec }: Pick<BundleRecord, 'id' | 'bundle' | 'spec'>,
  status: BundleStatus,
  pid: number,
) {
  return {
    ociVersion: OCI_VERSION,
    id,
    status,
    pid,
    bundle,
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
  };
}

/** The same for the supervisor of its system calls, who gets it with the pid. */
export function identityOf({
  id,
  bundle,
  spec,
}: Pick<BundleRecord, 'id' | 'bundle' | 'spec'>): ContainerIdentity {
  return { ociVersion: OCI_VERSION, id, bundle, annotations: spec.annotations };
}

/** The name of a user of this host, or `#` and the number. */
export function userName(uid: number): string {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  return lines.map((line) => line.split(':')).find((fields) => fields[2] === `${uid}`)?.[0] ?? `#${uid}`;
}
