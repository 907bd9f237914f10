/** Who a user is at a registry: in Docker's config.json, or with the helper program that it names. */
import { TsrunError } from '../lib/errors.ts';
import { askHelper, helperProgram } from './credential-helper.ts';
import {
  configKey,
  type DockerConfig,
  entryFor,
  isTable,
  type JsonTable,
  readDockerConfig,
  tableIn,
  unusable,
  writeDockerConfig,
} from './docker-config.ts';

export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** A refresh token in place of the password. */
  readonly identityToken?: string;
}

/** Nobody. */
export const EMPTY: Credentials = { username: '', password: '' };
/** The user name under which helpers keep refresh tokens. */
const TOKEN_USER = '<token>';

export async function findCredentials(registry: string, env: NodeJS.ProcessEnv): Promise<Credentials> {
  const config = readDockerConfig(env);
  const helper = helperFor(config, registry);
  if (helper === undefined) return fromAuths(config, registry);
  const answer = await askHelper(helper, 'get', configKey(registry), env);
  if (answer === undefined) return EMPTY;
  const found: unknown = parseJson(answer);
  if (!isTable(found) || typeof found.Username !== 'string' || typeof found.Secret !== 'string')
    throw new TsrunError(
      'LOGIN_HELPER',
      `Cannot use what ${helperProgram(helper)} answered: it has no user and no secret`,
    );
  const { Username: username, Secret: secret } = found;
  return username === TOKEN_USER
    ? { username, password: '', identityToken: secret }
    : { username, password: secret };
}

/** Keeps a login. Returns the file when it now holds the password as plain text. */
export async function saveCredentials(
  registry: string,
  credentials: Credentials,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const config = readDockerConfig(env);
  const helper = helperFor(config, registry);
  const { username, password } = credentials;
  if (helper === undefined) {
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    writeAuths(config, { ...withoutEntry(config, registry), [configKey(registry)]: { auth } });
    return config.path;
  }
  const entry = { ServerURL: configKey(registry), Username: username, Secret: password };
  await askHelper(helper, 'store', JSON.stringify(entry), env);
  // Docker lists in auths what the helper keeps.
  writeAuths(config, { ...withoutEntry(config, registry), [configKey(registry)]: {} });
  return undefined;
}

/** False when there was none. */
export async function forgetCredentials(registry: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const config = readDockerConfig(env);
  const known = entryFor(tableIn(config, 'auths'), registry) !== undefined;
  const helper = helperFor(config, registry);
  if (helper !== undefined) await askHelper(helper, 'erase', configKey(registry), env);
  if (known) writeAuths(config, withoutEntry(config, registry));
  return known;
}

/** The helper of this registry, or the one of all. */
function helperFor(config: DockerConfig, registry: string): string | undefined {
  const name = entryFor(tableIn(config, 'credHelpers'), registry) ?? config.document.credsStore;
  if (name === undefined || name === '') return undefined;
  if (typeof name === 'string' && /^[\w.-]+$/.test(name)) return name;
  throw unusable(config.path, `${JSON.stringify(name)} is no name of a credential helper`);
}

function fromAuths(config: DockerConfig, registry: string): Credentials {
  const entry = entryFor(tableIn(config, 'auths'), registry);
  if (entry === undefined) return EMPTY;
  if (!isTable(entry)) throw unusable(config.path, `auths of ${registry} is no object`);
  const { auth, username, password, identitytoken } = entry;
  const [, user = '', secret = ''] = /^([^:]*):(.*)$/s.exec(fromBase64(auth)) ?? [];
  const name = user || (typeof username === 'string' ? username : '');
  if (typeof identitytoken === 'string' && identitytoken !== '')
    return { username: name, password: '', identityToken: identitytoken };
  if (name === '') return EMPTY;
  return { username: name, password: secret || (typeof password === 'string' ? password : '') };
}

function fromBase64(text: unknown): string {
  // Docker once wrote NULs behind the password.
  return typeof text === 'string' ? Buffer.from(text, 'base64').toString().replace(/\0+$/, '') : '';
}

function withoutEntry(config: DockerConfig, registry: string): JsonTable {
  const auths = tableIn(config, 'auths');
  const entry = entryFor(auths, registry);
  return Object.fromEntries(
    Object.entries(auths).filter(([, value]) => entry === undefined || value !== entry),
  );
}

function writeAuths(config: DockerConfig, auths: JsonTable): void {
  writeDockerConfig({ ...config, document: { ...config.document, auths } });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
