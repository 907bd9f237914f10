/** Hooks that write down what they saw, in a directory that both sides see: the host, and the container as /hooks. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Box } from './box.ts';
import type { Change, Hook, HookKind } from './config.ts';
import type { State } from './container.ts';

/** Where path has to resolve: see config.md, POSIX-platform Hooks. */
const RESOLVES_INSIDE: readonly HookKind[] = ['startContainer'];

const PATH = 'PATH=/usr/bin:/bin';

export class HookLog {
  readonly directory: string;

  constructor(box: Box) {
    this.directory = box.folder('hooks');
    for (const name of ['order', 'program']) appendFileSync(join(this.directory, name), '');
    this.#file = (name, content) => basename(box.file(`hooks/${name}`, content));
  }

  readonly #file: (name: string, content: string) => string;

  /**
   * A hook that appends its name to the order of events, keeps what it reads as NAME.state, and then runs `script` in this
   * directory; what the script prints is NAME.out.
   */
  hook(kind: HookKind, script = '', name: string = kind): Hook {
    const lines = [
      '#!/bin/sh',
      'cd "$(dirname "$0")"',
      `echo ${name} >>order`,
      `cat >${name}.state`,
      `exec >${name}.out`,
    ];
    const file = this.#file(name, `${lines.join('\n')}\n${script}\n`);
    const directory = RESOLVES_INSIDE.includes(kind) ? '/hooks' : this.directory;
    return { path: join(directory, file), args: [file], env: [PATH] };
  }

  /** The container sees the directory, and its program appends `program` to the order of events. */
  readonly mounted: Change = ({ process, mounts }) => {
    mounts.push({ destination: '/hooks', source: this.directory, options: ['rbind', 'rw'] });
    process.args = ['sh', '-c', 'echo program >>/hooks/order'];
  };

  order(): string[] {
    return readFileSync(join(this.directory, 'order'), 'utf8').split('\n').filter(Boolean);
  }

  state(name: string): State {
    return JSON.parse(readFileSync(join(this.directory, `${name}.state`), 'utf8'));
  }

  output(name: string): string {
    const path = join(this.directory, `${name}.out`);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }
}
