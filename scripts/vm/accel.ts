/**
 * Whether KVM works here. /dev/kvm that opens proves nothing: nested KVM may refuse to start a guest, or start
 * one that never prints. So a bare machine has to reach its init. The verdict holds for this boot of the host.
 */

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { dropOthers } from './kernel.ts';
import { bareMachine } from './qemu.ts';

const PROBE_MARK = 'tsrun-probe-reached-init';
const PROBE_TIMEOUT_MS = 3000;

/** KVM when a guest boots with it, emulation otherwise. */
export async function chooseAccel(cache: string): Promise<'kvm' | 'tcg'> {
  if (!existsSync('/dev/kvm')) return 'tcg';
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const verdictFile = join(cache, `kvm-${bootId}`);
  if (!existsSync(verdictFile)) {
    writeFileSync(verdictFile, (await kvmBoots(cache)) ? 'kvm' : 'tcg');
    dropOthers(cache, 'kvm-', `kvm-${bootId}`);
  }
  return readFileSync(verdictFile, 'utf8') === 'kvm' ? 'kvm' : 'tcg';
}

async function kvmBoots(cache: string): Promise<boolean> {
  const [program = '', ...args] = bareMachine('kvm', '256M', `TSRUN_PROBE=${PROBE_MARK}`, cache);
  const probe = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PROBE_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  return (await text(probe.stdout)).includes(PROBE_MARK);
}
