/**
 * What one test may use: a directory, containers in it, and the promise that nothing of them is left afterwards, whatever
 * the runtime did. Everything that a test makes carries the name of its box.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { baseConfig, type Change } from './config.ts';
import { Container } from './container.ts';
import type { Fact } from './host.ts';
import { forceAway, type Marks, readLeftovers } from './leftovers.ts';
import { isBelow, type MountLine, parseMounts } from './mount-table.ts';

const MARK = 'CONFORMANCE_BOX';
const BUSYBOX = process.env.BUSYBOX ?? '/bin/busybox';
const APPLETS = execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n');

/** Two runs at once, each in its own pid namespace, must not meet in a cgroup. */
const RUN = process.env.CONFORMANCE_RUN ?? process.ppid;

let boxes = 0;

export class Box {
  /** Also in every container's ID and cgroup. */
  readonly name = `conformance-${RUN}-${process.pid}-${++boxes}`;
  readonly directory: string;
  readonly #context: TestContext;
  readonly #containers: Container[] = [];

  constructor(context: TestContext) {
    this.#context = context;
    this.directory = mkdtempSync(join(tmpdir(), `${this.name}-`));
    // Whoever is root in a user namespace is somebody else out here.
    chmodSync(this.directory, 0o755);
  }

  /** Skips the test where the host lacks something. */
  needs(...facts: readonly Fact[]): void {
    const missing = facts.find(({ holds }) => !holds);
    if (missing !== undefined) this.#context.skip(missing.otherwise);
  }

  /** A bundle: busybox as root file system, and the base configuration with this change. Nothing is created yet. */
  container(change: Change = () => {}, id = `${this.name}-${this.#containers.length + 1}`): Container {
    const number = this.#containers.length + 1;
    const bundle = join(this.directory, `bundle-${number}`);
    makeRootfs(join(bundle, 'rootfs'));
    const env = { ...process.env, [MARK]: this.name };
    const container = new Container(id, { bundle, root: join(this.directory, 'root'), env });
    this.#containers.push(container);
    const config = baseConfig(`/${this.name}-${number}`, `${MARK}=${this.name}`);
    change(config);
    container.configure(config);
    return container;
  }

  async created(change?: Change): Promise<Container> {
    const container = this.container(change);
    await container.create();
    return container;
  }

  /** A container that has been started; without another change its program is `sleep 600`. */
  async started(change?: Change): Promise<Container> {
    const container = await this.created(change);
    await container.start();
    return container;
  }

  /** Runs a script as the container process, and resolves with what it printed. */
  async sh(script: string, change: Change = () => {}): Promise<string> {
    const container = await this.started((config) => {
      config.process.args = ['sh', '-c', script];
      change(config);
    });
    return await container.exit();
  }

  /** The mount at this place in the container, and those below it. */
  async mountsAt(destination: string, change?: Change): Promise<MountLine[]> {
    const mounts = parseMounts(await this.sh('cat /proc/self/mountinfo', change));
    return mounts.filter((mount) => isBelow(mount.destination, destination));
  }

  /** A file for the test, with its path. Executable, for hooks. */
  file(name: string, content: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    chmodSync(path, 0o755);
    return path;
  }

  folder(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** What is on the host of the containers: cgroups, processes, mounts. Nothing after a delete. */
  leftovers(): string[] {
    return readLeftovers(this.#marks());
  }

  /** Takes everything away. */
  async empty(): Promise<void> {
    for (const container of this.#containers) await container.delete('--force').catch(() => {});
    await forceAway(this.#marks());
    rmSync(this.directory, { recursive: true, force: true });
  }

  #marks(): Marks {
    return { name: this.name, environment: `${MARK}=${this.name}`, directory: this.directory };
  }
}

function makeRootfs(rootfs: string): void {
  for (const name of ['bin', 'dev', 'proc', 'sys', 'etc', 'tmp', 'root', 'mnt'])
    mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync(BUSYBOX, join(rootfs, 'bin/busybox'));
  for (const applet of APPLETS.filter((name) => name !== 'busybox'))
    symlinkSync('busybox', join(rootfs, 'bin', applet));
}
