/** podman as a peer: with crun, a store of its own, and the purely v1 view of the cgroups that crun accepts. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './measure.ts';

export interface Podman extends Disposable {
  /** The words of a podman command; no `--` among them, which timer.c would take for the end of it. */
  command(...args: readonly string[]): readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** In a mount namespace of its own, which goes when it is disposed of. crun 1.8 refuses hybrid cgroups. */
const PREPARE = `
mount -t tmpfs run /run
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  controllers=$(cd /sys/fs/cgroup && ls | grep -vx -e unified -e systemd)
  mount -t tmpfs cgroup /sys/fs/cgroup
  for name in $controllers; do
    mkdir "/sys/fs/cgroup/$name" && mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
  done
fi
echo ready
exec cat
`;

export async function startPodman(scratch: string): Promise<Podman> {
  const directory = join(scratch, 'podman');
  mkdirSync(directory);
  const [config, storage] = [join(directory, 'containers.conf'), join(directory, 'storage.conf')];
  writeFileSync(
    config,
    [
      '[containers]\ndefault_ulimits=["nofile=1024:20000","nproc=1024:4096"]',
      '[engine]\nruntime="crun"\ncgroup_manager="cgroupfs"\nevents_logger="none"',
      `[network]\nnetwork_backend="netavark"\nnetwork_config_dir="${directory}/networks"\n`,
    ].join('\n'),
  );
  writeFileSync(
    storage,
    `[storage]\ndriver="overlay"\ngraphroot="${directory}/root"\nrunroot="/run/podman"\n`,
  );
  const env = { CONTAINERS_CONF: config, CONTAINERS_STORAGE_CONF: storage };
  const holder = spawn('unshare', ['--mount', 'sh', '-ec', PREPARE], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  const command = (...args: readonly string[]) => [
    ...['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, 'podman'],
    ...args,
  ];
  const [program = '', ...load] = command('load', '-q', '-i', join(REPOSITORY, '.cache/images/busybox.tar'));
  execFileSync(program, load, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    command,
    env,
    [Symbol.dispose]: () => {
      const [file = '', ...unmount] = command('system', 'reset', '--force');
      execFileSync(file, unmount, { env: { ...process.env, ...env }, stdio: 'ignore' });
      holder.stdin.end();
    },
  };
}
