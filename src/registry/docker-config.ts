/**
 * Docker's config.json, as far as it is about logins: `auths`, `credsStore`, `credHelpers`. Other tools write it too, so
 * everything else in it stays. DOCKER_CONFIG names another directory than ~/.docker.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { DEFAULT_REGISTRY } from '../image/reference.ts';
import { reasonOf, TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import { randomBytes } from '../lib/random.ts';

export type JsonTable = Readonly<Record<string, unknown>>;

export interface DockerConfig {
  readonly path: string;
  /** The whole document. */
  readonly document: JsonTable;
}

/** Docker's own registry has this name there, from the time of its first API. */
const DEFAULT_KEY = 'https://index.docker.io/v1/';

/** What `registry` is called in config.json and by credential helpers. */
export function configKey(registry: string): string {
  return registry === DEFAULT_REGISTRY ? DEFAULT_KEY : registry;
}

/** A file that is not there is an empty one. Throws LOGIN_CONFIG. */
export function readDockerConfig(env: NodeJS.ProcessEnv): DockerConfig {
  const path = `${env.DOCKER_CONFIG || `${env.HOME || '/root'}/.docker`}/config.json`;
  try {
    const document: unknown = JSON.parse(readFileIfThere(path)?.trim() || '{}');
    if (isTable(document)) return { path, document };
  } catch (cause) {
    throw unusable(path, reasonOf(cause), cause);
  }
  throw unusable(path, 'it is no JSON object');
}

/** The table `name`, or an empty one. */
export function tableIn({ path, document }: DockerConfig, name: string): JsonTable {
  const value = document[name] ?? {};
  if (isTable(value)) return value;
  throw unusable(path, `${name} is no object`);
}

/** The entry for a registry: by its name, or by a URL of it, as old versions of Docker wrote. */
export function entryFor(table: JsonTable, registry: string): unknown {
  const key = configKey(registry);
  if (Object.hasOwn(table, key)) return table[key];
  const same = Object.keys(table).find((name) => hostOf(name) === hostOf(key));
  return same === undefined ? undefined : table[same];
}

function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, '').split('/')[0] ?? '';
}

/** Replaces the file, readable for its owner alone: it holds passwords. Throws LOGIN_CONFIG. */
export function writeDockerConfig(config: DockerConfig): void {
  try {
    mkdirSync(dirname(config.path), { recursive: true, mode: 0o700 });
    const path = resolved(config.path);
    const temporary = `${path}.${randomBytes(8).toString('hex')}.tmp`;
    try {
      const fd = openSync(temporary, 'wx', 0o600);
      try {
        writeFileSync(fd, `${JSON.stringify(config.document, undefined, '\t')}\n`);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, path);
    } finally {
      rmSync(temporary, { force: true });
    }
  } catch (cause) {
    throw unusable(config.path, reasonOf(cause), cause);
  }
}

/** A link to a file elsewhere stays a link. */
function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

export function isTable(value: unknown): value is JsonTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function unusable(path: string, problem: string, cause?: unknown): TsrunError {
  return new TsrunError('LOGIN_CONFIG', `Cannot use the logins in ${path}: ${problem}`, {
    hint: 'correct the file; DOCKER_CONFIG names another directory',
    cause,
  });
}
