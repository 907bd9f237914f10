/** `tsrun-oci features`: what of the specification this runtime knows, whatever the host can do. features.md, features-linux.md. */

import { MOUNT_OPTIONS } from '../../mounts/options.ts';
import { OCI_VERSION } from '../../runtime/bundle/record.ts';
import { CAPABILITIES } from '../../security/capabilities.ts';
import { HOOK_NAMES, MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES, NAMESPACE_TYPES } from '../../spec/runtime.ts';
import {
  SECCOMP_ACTIONS,
  SECCOMP_ARCHITECTURES,
  SECCOMP_FLAGS,
  SECCOMP_OPERATORS,
} from '../../spec/seccomp.ts';
import type { Syntax } from '../flags.ts';
import { print } from '../print.ts';
import { VERSION } from '../version.ts';
import { type OciVerb, parseVerb } from './verb.ts';

const SYNTAX: Syntax = { verb: 'features', program: 'tsrun-oci' };

export const verb: OciVerb = {
  synopsis: 'features',
  summary: 'show the enabled features',
  flags: {},
  run(args) {
    parseVerb({}, args, SYNTAX, 0);
    print(`${JSON.stringify(FEATURES, undefined, 4)}\n`);
    return 0;
  },
};

const sorted = (words: readonly string[]) => words.toSorted();

const FEATURES = {
  ociVersionMin: '1.0.0',
  ociVersionMax: OCI_VERSION,
  hooks: HOOK_NAMES,
  mountOptions: sorted(MOUNT_OPTIONS),
  linux: {
    namespaces: sorted(NAMESPACE_TYPES),
    capabilities: CAPABILITIES,
    cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: true },
    seccomp: {
      enabled: true,
      actions: sorted(SECCOMP_ACTIONS),
      operators: sorted(SECCOMP_OPERATORS),
      archs: sorted(SECCOMP_ARCHITECTURES),
      knownFlags: sorted(SECCOMP_FLAGS),
      supportedFlags: sorted(SECCOMP_FLAGS),
    },
    apparmor: { enabled: true },
    selinux: { enabled: true },
    intelRdt: { enabled: false },
    memoryPolicy: { modes: sorted(MEMORY_POLICY_MODES), flags: sorted(MEMORY_POLICY_FLAGS) },
    mountExtensions: { idmap: { enabled: true } },
    netDevices: { enabled: true },
  },
  annotations: { 'io.tsrun.version': VERSION },
  potentiallyUnsafeConfigAnnotations: [],
};
