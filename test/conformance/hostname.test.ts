import { expect } from 'vitest';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const hostname = section('config.md, Hostname');
const domainname = section('config.md, Domainname');

hostname(
  "`hostname` (string, OPTIONAL) specifies the container's hostname as seen by processes running inside the container.",
  async (box) => {
    const output = await box.sh('hostname', (config) => {
      config.hostname = 'mrsdalloway';
    });
    expect(output).toBe('mrsdalloway\n');
  },
);

hostname(
  "`hostname` (string, OPTIONAL) specifies the container's hostname as seen by processes running inside the container.",
  'the kernel takes no name of 65 characters',
  async (box) => {
    const container = box.container((config) => {
      config.hostname = 'x'.repeat(65);
    });
    await error(container.create());
  },
);

domainname(
  "`domainname` (string, OPTIONAL) specifies the container's domainname as seen by processes running inside the container.",
  async (box) => {
    const output = await box.sh('cat /proc/sys/kernel/domainname', (config) => {
      config.domainname = 'foobarbaz.test';
    });
    expect(output).toBe('foobarbaz.test\n');
  },
);
