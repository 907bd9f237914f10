/** rdma.max, of cgroup v2 and v1 alike. Documentation/admin-guide/cgroup-v2.rst, RDMA. */
import { TsrunError } from '../../lib/errors.ts';
import type { ResourcesSpec } from '../../spec/runtime.ts';
import type { Setting } from '../setting.ts';

/** One line of rdma.max for each device; what is not limited is `max`. Throws BAD_LIMIT for what cannot be the name of one. */
export function rdmaSettings({ rdma = {} }: ResourcesSpec): readonly Setting[] {
  return Object.entries(rdma).map(([device, { hcaHandles, hcaObjects }]) => {
    if (!/^[\w.-]+$/.test(device))
      throw new TsrunError(
        'BAD_LIMIT',
        `Cannot limit the device ${JSON.stringify(device)}: RDMA has none of that name`,
      );
    return {
      file: 'rdma.max',
      value: `${device} hca_handle=${hcaHandles ?? 'max'} hca_object=${hcaObjects ?? 'max'}`,
      why: `How many handles and objects of ${device} may be open at a time.`,
    };
  });
}
