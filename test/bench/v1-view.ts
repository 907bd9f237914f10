/** What crun 1.8 accepts, which refuses hybrid cgroups: a mount namespace in which /sys/fs/cgroup has the hierarchies of v1 alone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface V1View extends Disposable {
  /** A command that runs the one behind it in the view. */
  readonly enter: readonly string[];
}

/** A host with cgroup v2 alone keeps it. /run is empty. */
const PREPARE = `
mount -t tmpfs run /run
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  controllers=$(cd /sys/fs/cgroup && ls | grep -vx -e unified -e systemd)
  mount -t tmpfs cgroup /sys/fs/cgroup
  for name in $controllers; do
    mkdir "/sys/fs/cgroup/$name" && mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
  done
  mkdir /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi
echo ready
exec cat
`;

/** The namespace goes when it is disposed of. */
export async function openV1View(): Promise<V1View> {
  const holder = spawn('unshare', ['--mount', 'sh', '-ec', PREPARE], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  return {
    enter: ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`],
    [Symbol.dispose]: () => holder.stdin.end(),
  };
}
