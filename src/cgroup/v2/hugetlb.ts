/** hugetlb.* of cgroup v2, and of v1, where the file has another name. Documentation/admin-guide/cgroup-v2.rst, HugeTLB. */
import { TsrunError } from '../../lib/errors.ts';
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { orMax, type Setting } from '../setting.ts';

/** Limits in bytes, one for each size of pages; throws BAD_LIMIT for a size that is written as the kernel never writes one. */
/** Of what is reserved, where the kernel counts that: a program hears of it at mmap then. Of what is touched everywhere: it is killed. */
export function hugetlbSettings(
  { hugepageLimits = [] }: ResourcesSpec,
  file: 'max' | 'limit_in_bytes' = 'max',
): readonly Setting[] {
  return hugepageLimits.flatMap(({ pageSize, limit }): readonly Setting[] => {
    if (!/^[1-9]\d*(KB|MB|GB)$/.test(pageSize))
      throw new TsrunError('BAD_LIMIT', `Cannot limit huge pages of ${JSON.stringify(pageSize)}`, {
        hint: 'a page size is a number and KB, MB or GB, such as 2MB',
      });
    const value = file === 'max' ? orMax(limit) : `${limit}`;
    return [
      {
        file: `hugetlb.${pageSize}.rsvd.${file}`,
        value,
        why: `So many bytes may be reserved in huge pages of ${pageSize}; mmap fails for more.`,
        tolerate: ['ENOENT'],
      },
      {
        file: `hugetlb.${pageSize}.${file}`,
        value,
        why: `So many bytes may lie in huge pages of ${pageSize}; a process that touches more is sent SIGBUS.`,
      },
    ];
  });
}
