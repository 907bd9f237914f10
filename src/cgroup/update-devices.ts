/** New device rules for a container that runs. */
import { checkErrno, native } from '../kernel/native.ts';
import type { DeviceRule } from '../spec/runtime.ts';
import { applyWrites } from './apply-writes.ts';
import { compileDeviceRules } from './device-program.ts';
import { deviceRules } from './device-rules.ts';
import type { ContainerCgroups } from './host.ts';
import { deviceSettings } from './v1/devices.ts';

const ALL: readonly DeviceRule[] = [{ allow: true }];

/** In v2 in one step: the old rules hold until the new ones do. In v1 everything is denied for a moment. */
export function updateDevices(cgroups: ContainerCgroups, asked: readonly DeviceRule[]): void {
  const rules = deviceRules(asked);
  if (cgroups.v2 === undefined) {
    const writes = deviceSettings(rules).map(
      (one) => ({ ...one, version: 1, controller: 'devices' }) as const,
    );
    applyWrites(cgroups, writes);
    return;
  }
  const program = compileDeviceRules(rules.length === 0 ? ALL : rules);
  checkErrno(
    native().tsr_cgroup_device(cgroups.v2, program, program.length),
    `Cannot replace the device program of ${cgroups.v2}`,
  );
}
