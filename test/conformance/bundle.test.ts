import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('bundle.md, Container Format');

for (const name of ['configuration.json', 'config/config.json'])
  clause(
    'This REQUIRED file MUST reside in the root of the bundle directory and MUST be named `config.json`.',
    `it is ${name}`,
    async (box) => {
      const container = box.container();
      box.folder(`bundle-1/config`);
      renameSync(join(container.bundle, 'config.json'), join(container.bundle, name));
      await error(container.create());
    },
  );
