/** podman as a peer: with crun and a store of its own, in the view of the cgroups that crun accepts. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, HUNG, imageFile, LIMIT_SECONDS, type NetworkTimes, output } from './engine.ts';
import { openV1View } from './v1-view.ts';

/** Where Debian has podman's helpers. */
const HELPERS = '/usr/lib/podman';

export async function startPodman(
  scratch: string,
  images: readonly string[],
): Promise<Engine & AsyncDisposable> {
  const directory = join(scratch, 'podman');
  mkdirSync(directory);
  const storage = join(directory, 'storage.conf');
  writeFileSync(
    storage,
    `[storage]\ndriver="overlay"\ngraphroot="${directory}/root"\nrunroot="/run/podman"\n`,
  );
  const environment = (config: string) => ({ CONTAINERS_CONF: config, CONTAINERS_STORAGE_CONF: storage });
  const env = environment(writeConfig(directory, 'containers.conf', HELPERS));
  const times = join(directory, 'times');
  const timedEnv = environment(
    writeConfig(directory, 'timed.conf', writeTimedHelper(directory, times), HELPERS),
  );

  const view = await openV1View();
  const command = (...args: readonly string[]) => [...view.enter, 'podman', ...args];
  const runNow = (...args: readonly string[]) => {
    const [program = '', ...words] = command(...args);
    execFileSync(program, words, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 4 * LIMIT_SECONDS * 1000,
      killSignal: 'SIGKILL',
    });
  };
  for (const image of images) runNow('load', '-q', '-i', imageFile(image));
  return {
    name: 'podman',
    command,
    env,
    enterNetwork: view.enterNetwork,
    timeNetwork: async () => {
      const run = command('run', '--rm', '--network', 'bridge', 'busybox', 'true');
      const printed = await output({ env: timedEnv }, run);
      return printed === undefined ? HUNG : takeTimes(times);
    },
    [Symbol.asyncDispose]: async () => {
      try {
        runNow('system', 'reset', '--force');
      } finally {
        view[Symbol.dispose]();
      }
    },
  };
}

function writeConfig(directory: string, name: string, ...helpers: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(
    path,
    [
      '[containers]\ndefault_ulimits=["nofile=1024:20000","nproc=1024:4096"]',
      `[engine]\nruntime="crun"\ncgroup_manager="cgroupfs"\nevents_logger="none"\nhelper_binaries_dir=${JSON.stringify(helpers)}`,
      `[network]\nnetwork_backend="netavark"\nnetwork_config_dir="${directory}/networks"\n`,
    ].join('\n'),
  );
  return path;
}

/** A netavark that writes down how long the real one took. Returns the directory in which it lies. */
function writeTimedHelper(directory: string, times: string): string {
  const helpers = join(directory, 'helpers');
  mkdirSync(helpers);
  const script = `#!/bin/sh
for word; do case $word in setup | teardown) verb=$word ;; esac; done
start=$(date +%s%N)
${HELPERS}/netavark "$@"
status=$?
echo "$verb $(($(date +%s%N) - start))" >>${times}
exit $status
`;
  writeFileSync(join(helpers, 'netavark'), script);
  chmodSync(join(helpers, 'netavark'), 0o755);
  return helpers;
}

/** What the timed netavark wrote down in one run. */
function takeTimes(times: string): NetworkTimes {
  const text = readFileSync(times, 'utf8');
  rmSync(times);
  const of = (verb: string) => Number(new RegExp(`^${verb} (\\d+)$`, 'm').exec(text)?.[1]) / 1e6;
  return { setUp: of('setup'), tearDown: of('teardown') };
}
