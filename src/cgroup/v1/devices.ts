/** devices.allow and devices.deny of cgroup v1, for a host without cgroup v2. Documentation/admin-guide/cgroup-v1/devices.rst. */
import type { DeviceRule } from '../../spec/runtime.ts';
import { accessOf } from '../device-rules.ts';
import type { Setting } from '../setting.ts';

/** In the order of the rules: a new cgroup allows what its parent does. */
export function deviceSettings(rules: readonly DeviceRule[]): readonly Setting[] {
  return rules.map((rule) => {
    const { allow, type = 'a', major = -1, minor = -1 } = rule;
    const number = (n: number) => (n < 0 ? '*' : `${n}`);
    const device = `${type} ${number(major)}:${number(minor)} ${accessOf(rule)}`;
    return {
      file: allow ? 'devices.allow' : 'devices.deny',
      value: type === 'a' ? 'a' : device,
      why: allow ? `May be used: ${device}.` : `May not be used: ${device}.`,
    };
  });
}
