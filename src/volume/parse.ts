/** `-v` and `--tmpfs` as Docker reads them → mounts of the OCI configuration. */
import { posix } from 'node:path';
import { TsrunError } from '../lib/errors.ts';
import type { MountSpec } from '../spec/runtime.ts';

/** What may follow the second colon of -v; the value is the mount option it becomes. */
const VOLUME_OPTIONS: Readonly<Record<string, string>> = {
  ro: 'rro',
  rw: 'rw',
  private: 'private',
  rprivate: 'rprivate',
  slave: 'slave',
  rslave: 'rslave',
  shared: 'shared',
  rshared: 'rshared',
};

/** `/host:/container[:options]`. Read-only holds for what is mounted below the source too. */
export function parseVolume(text: string): MountSpec {
  const refuse = (why: string, hint?: string) =>
    new TsrunError(
      'BAD_VOLUME',
      `Cannot mount ${JSON.stringify(text)}: ${why}`,
      hint === undefined ? {} : { hint },
    );
  const parts = text.split(':');
  const [source = '', destination = '', options = ''] = parts;
  if (parts.length < 2 || parts.length > 3) throw refuse('it is not of the form HOST:CONTAINER[:OPTIONS]');
  if (!source.startsWith('/'))
    throw refuse(
      `${JSON.stringify(source)} is not an absolute path of the host`,
      'give the path from /, such as "$PWD/data:/data"',
    );
  const names = options === '' ? [] : options.split(',');
  const unknown = names.find((name) => !Object.hasOwn(VOLUME_OPTIONS, name));
  if (unknown !== undefined)
    throw refuse(
      `${JSON.stringify(unknown)} is not an option; there are ${Object.keys(VOLUME_OPTIONS).join(', ')}`,
    );
  if (names.includes('ro') && names.includes('rw')) throw refuse('it asks for both ro and rw');
  const propagation = names.filter((name) => /(private|slave|shared)$/.test(name));
  if (propagation.length > 1) throw refuse(`it asks for two kinds of propagation: ${propagation.join(', ')}`);
  const mapped = names.map((name) => VOLUME_OPTIONS[name] ?? name);
  return {
    type: 'bind',
    source: posix.normalize(source),
    destination: checkDestination(destination, refuse),
    options: ['rbind', ...mapped, ...(propagation.length === 0 ? ['rprivate'] : [])],
  };
}

/** `/path[:options]`, with Docker's defaults: nosuid, nodev, noexec unless told otherwise. */
export function parseTmpfs(text: string): MountSpec {
  const refuse = (why: string) =>
    new TsrunError('BAD_TMPFS', `Cannot mount a tmpfs ${JSON.stringify(text)}: ${why}`);
  const colon = text.indexOf(':');
  const destination = colon < 0 ? text : text.slice(0, colon);
  const options =
    colon < 0
      ? []
      : text
          .slice(colon + 1)
          .split(',')
          .filter((o) => o !== '');
  return {
    type: 'tmpfs',
    source: 'tmpfs',
    destination: checkDestination(destination, refuse),
    options: ['nosuid', 'nodev', 'noexec', ...options],
  };
}

function checkDestination(path: string, refuse: (why: string) => TsrunError): string {
  if (!path.startsWith('/')) throw refuse(`${JSON.stringify(path)} is not an absolute path in the container`);
  const normal = posix.normalize(path).replace(/(.)\/$/, '$1');
  if (normal === '/') throw refuse('the root of the container cannot be a mount point');
  return normal;
}
