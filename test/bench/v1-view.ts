/** What crun 1.8 accepts, which refuses hybrid cgroups: a mount namespace in which /sys/fs/cgroup has the hierarchies of v1 alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface V1View extends Disposable {
  /** A command that runs the one behind it in the view. */
  readonly enter: readonly string[];
  /** The same, but only in the network of the view. */
  readonly enterNetwork: readonly string[];
}

/** In namespaces of its own. A host with cgroup v2 alone keeps it. /run is empty, and the network has a loopback. */
export const MAKE_V1_VIEW = `
ip link set lo up
mount -t tmpfs run /run
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
  controllers=$(cd /sys/fs/cgroup && ls | grep -vx -e unified -e systemd)
  mount -t tmpfs cgroup /sys/fs/cgroup
  for name in $controllers; do
    mkdir "/sys/fs/cgroup/$name" && mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name"
  done
  mkdir /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi`;

/** The namespaces go when it is disposed of. */
export async function openV1View(): Promise<V1View> {
  const script = `${MAKE_V1_VIEW}\necho ready; exec cat`;
  const holder = spawn('unshare', ['--mount', '--net', 'sh', '-ec', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  return {
    enter: ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, enterNetworkOf(holder)],
    enterNetwork: ['nsenter', enterNetworkOf(holder)],
    [Symbol.dispose]: () => holder.stdin.end(),
  };
}

/** An option of nsenter(1). */
export function enterNetworkOf({ pid }: ChildProcess): string {
  return `--net=/proc/${pid}/ns/net`;
}
