/** Docker as a peer: a daemon of its own, which ends with the benchmark. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { START_DOCKERD } from '../support/docker.ts';
import { type Engine, imageFile, LIMIT_SECONDS, type NetworkTimes } from './engine.ts';
import { enterNetworkOf, MAKE_V1_VIEW } from './v1-view.ts';

/** Those of Debian's package. */
export const CLIENT = '/usr/bin/docker';
const DAEMON = '/usr/sbin/dockerd';

/** What is loaded takes time. */
const START_LIMIT_MS = 4 * LIMIT_SECONDS * 1000;

/** A container whose network can be changed; for timeNetwork. */
const SPARE_CONTAINER = `
docker network create spare
docker run -d --name spare --network spare busybox sleep infinity`;

/** PID 1 of the daemon's namespace: all that the daemon has started dies with it. At the end of its input it ends. */
const machine = (setUp: string) => `
${START_DOCKERD}
for archive in $DIRECTORY/images/*; do [ ! -e $archive ] || docker load -q -i $archive; done
${setUp}
echo ready
exec cat`;

/** Dies with its parent, and the machine with it. */
const WITH_PID_1 = 'setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL --mount-proc';

/** The host of the daemon. It removes the cgroups when nothing is left in them. */
const HOST = `
${MAKE_V1_VIEW}
status=0
${WITH_PID_1} sh -ec "$MACHINE" || status=$?
for cgroups in /sys/fs/cgroup /sys/fs/cgroup/*; do
  [ ! -d $cgroups/$CGROUP ] || find $cgroups/$CGROUP -depth -type d -exec rmdir {} +
done
exit $status`;

/** Why there is none to be measured. */
export function missingDocker(): string | undefined {
  const missing = [CLIENT, DAEMON].find((program) => !existsSync(program));
  return missing && `there is no ${missing}: bash scripts/setup.sh engines`;
}

/** Without images there is no container either, and no {@link Engine.timeNetwork}. */
export async function startDocker(
  scratch: string,
  images: readonly string[],
): Promise<Engine & AsyncDisposable> {
  const directory = join(scratch, 'docker');
  mkdirSync(join(directory, 'images'), { recursive: true });
  for (const image of images) convertImage(image, join(directory, 'images'));
  const socketPath = join(directory, 'docker.sock');
  const env = { DOCKER_HOST: `unix://${socketPath}` };
  const cgroup = `tsrun-bench-${process.pid}`;
  const host = spawn('unshare', ['--mount', '--net', 'sh', '-ec', HOST], {
    env: {
      ...{ PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: directory, DIRECTORY: directory, ...env },
      ...{
        MACHINE: machine(images.length > 0 ? SPARE_CONTAINER : ''),
        CGROUP: cgroup,
        DOCKERD_FLAGS: `--cgroup-parent /${cgroup}`,
      },
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(host, 'close');
  await untilReady(host);
  return {
    name: 'docker',
    command: (...args) => [CLIENT, ...args],
    env,
    enterNetwork: ['nsenter', enterNetworkOf(host)],
    timeNetwork: () => timeNetwork(socketPath),
    [Symbol.asyncDispose]: async () => {
      host.stdin.end();
      await closed;
    },
  };
}

/** Docker 20 loads archives of its own kind only. */
function convertImage(image: string, into: string): void {
  const from = `oci-archive:${imageFile(image)}`;
  execFileSync('skopeo', ['copy', '--quiet', from, `docker-archive:${into}/${image}.tar:${image}:latest`]);
}

async function untilReady(host: ChildProcess): Promise<void> {
  let printed = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const limit = setTimeout(() => host.kill('SIGKILL'), START_LIMIT_MS);
  host.stdout?.on('data', (bytes) => {
    printed += bytes;
    if (/^ready$/m.test(printed)) resolve();
  });
  host.once('close', (code, signal) =>
    reject(new Error(`dockerd did not start: ${signal ?? code}\n${printed}`)),
  );
  await promise.finally(() => clearTimeout(limit));
}

/** By the daemon's word: a running container that joins the default bridge, and leaves it. */
async function timeNetwork(socketPath: string): Promise<NetworkTimes> {
  const setUp = await post(socketPath, '/networks/bridge/connect', { Container: 'spare' });
  const tearDown = await post(socketPath, '/networks/bridge/disconnect', { Container: 'spare' });
  return { setUp, tearDown };
}

/** The milliseconds until the answer. */
async function post(socketPath: string, path: string, body: object): Promise<number> {
  const start = performance.now();
  const asked = request({
    ...{ socketPath, path, method: 'POST', headers: { 'Content-Type': 'application/json' } },
    signal: AbortSignal.timeout(LIMIT_SECONDS * 1000),
  }).end(JSON.stringify(body));
  const [answer] = await once(asked, 'response');
  const milliseconds = performance.now() - start;
  const said = await text(answer);
  if (answer.statusCode !== 200) throw new Error(`Docker: ${path}: ${answer.statusCode} ${said}`);
  return milliseconds;
}
