import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');
const VAGRANTFILE = readFileSync(join(REPOSITORY, 'Vagrantfile'), 'utf8');

describe('the Vagrantfile', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'vagrant-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  // The blocks of the providers are left out: no hypervisor's plugin is installed where the tests run.
  async function validate(name: string, content: string): Promise<string> {
    const cwd = join(directory, name);
    mkdirSync(cwd);
    writeFileSync(join(cwd, 'Vagrantfile'), content);
    const env = { ...process.env, VAGRANT_HOME: join(directory, 'home'), VAGRANT_CHECKPOINT_DISABLE: '1' };
    const { stdout } = await promisify(execFile)('vagrant', ['validate', '--ignore-provider'], { cwd, env });
    return stdout;
  }

  test('is valid', { timeout: 30_000 }, async ({ skip }) => {
    if (!existsSync('/usr/bin/vagrant')) skip('vagrant is not installed: scripts/setup.sh test installs it');
    expect(await validate('valid', VAGRANTFILE)).toContain('validated successfully');
    await expect(validate('broken', VAGRANTFILE.replace('vm.box =', 'vm.bocks ='))).rejects.toThrow('bocks');
  });

  test('provisions the machine with the set-up script of every other machine', () => {
    expect(VAGRANTFILE).toMatch(/config\.vm\.provision 'shell'[\s\S]*bash scripts\/setup\.sh/);
  });
});
