/** New device rules for a container that runs. */
import { checkErrno, native } from '../kernel/native.ts';
import type { HostPath } from '../lib/brands.ts';
import type { DeviceRule } from '../spec/runtime.ts';
import { compileDeviceRules } from './device-program.ts';
import { deviceRules } from './device-rules.ts';

/** In one step: the old rules hold until the new ones do. `cgroup` is the container's in v2. */
export function updateDevices(cgroup: HostPath, asked: readonly DeviceRule[]): void {
  const rules = deviceRules(asked);
  const program = compileDeviceRules(rules.length === 0 ? [{ allow: true }] : rules);
  checkErrno(
    native().tsr_cgroup_device(cgroup, program, program.length),
    `Cannot replace the device program of ${cgroup}`,
  );
}
