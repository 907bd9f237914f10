/** The files every container gets from the engine: its names and its resolvers, bound over those of the image. */
import { writeFileSync } from 'node:fs';
import type { HostPath } from '../lib/brands.ts';
import { readFileIfThere } from '../lib/files.ts';
import type { MountSpec } from '../spec/runtime.ts';

const LOOPBACK = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'ff00::0\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** Mounts for /etc/hostname, /etc/hosts and /etc/resolv.conf. On the host's network the last two are copies of the host's. */
export function engineFileMounts(dir: HostPath): readonly MountSpec[] {
  return ['hostname', 'hosts', 'resolv.conf'].map((file) => ({
    destination: `/etc/${file}`,
    source: `${dir}/${file}`,
    options: ['bind'],
  }));
}

/** Name → text of the files in the container's directory. */
export function engineFiles(hostname: string, network: 'none' | 'host'): Readonly<Record<string, string>> {
  const own = [...LOOPBACK, ...(network === 'host' ? [] : [`127.0.0.1\t${hostname}`])].join('\n');
  return {
    hostname: `${hostname}\n`,
    hosts: network === 'host' ? (readFileIfThere('/etc/hosts') ?? '') : `${own}\n`,
    'resolv.conf': network === 'host' ? (readFileIfThere('/etc/resolv.conf') ?? '') : '',
  };
}

export function writeEngineFiles(dir: HostPath, hostname: string, network: 'none' | 'host'): void {
  for (const [file, text] of Object.entries(engineFiles(hostname, network)))
    writeFileSync(`${dir}/${file}`, text, { mode: 0o644 });
}
