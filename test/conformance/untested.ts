/** Sentences with a demand that no test can hold a runtime to, each with the reason. */

const OTHER_PLATFORM = 'another platform';
const ON_AUTHORS =
  'a demand on who writes the configuration; Valid values is what it means for a runtime, where it is one';
const NO_RESCTRL = 'needs a processor with Intel RDT: a test that was never seen to pass proves nothing';
const RUNTIME_DEFINED = 'what it applies to is for each runtime to say';

export const UNTESTED: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'runtime.md': [
    ['This MUST be unique across all containers on this host.', 'the scope is what --root says: see Create'],
    ['Additional values MAY be defined by the runtime', RUNTIME_DEFINED],
  ],
  'bundle.md': [
    [
      'When supplied, while these artifacts MUST all be present in a single directory',
      'says how a bundle is moved',
    ],
  ],
  'config.md': [
    ['On Windows, for Windows Server Containers, this field is REQUIRED.', OTHER_PLATFORM],
    ['For Hyper-V Containers, this field MUST NOT be set.', OTHER_PLATFORM],
    ['On Windows, `path` MUST be a volume GUID path.', OTHER_PLATFORM],
    ['On Windows, this field MUST be omitted or false.', OTHER_PLATFORM],
    ['One mount destination MUST NOT be nested within another mount', OTHER_PLATFORM],
    ['runtimes MUST support `ro`, mounting the filesystem read-only', OTHER_PLATFORM],
    [
      'This field is OPTIONAL on Windows, and `commandLine` is REQUIRED if this field is omitted.',
      OTHER_PLATFORM,
    ],
    ['This MUST be set if the target platform of this spec is `windows`.', OTHER_PLATFORM],
    [
      'Runtimes MUST/SHOULD/MAY implement the following option strings for Linux:',
      'each option has its test',
    ],
    ['The "MUST" options correspond to `mount(8)`.', 'explains the table'],
    ['`idmap` | SHOULD |', 'the sentences of its description have tests'],
    [
      'Indicates that the mount MUST have an idmapping applied',
      'the sentences of its description have tests',
    ],
    ['Keys MUST be strings.', 'JSON has no others'],
    ['The `org.opencontainers` namespace for keys is reserved', ON_AUTHORS],
    ['The annotation value MUST have a valid value for', ON_AUTHORS],
    ['`org.opencontainers.image.', ON_AUTHORS],
    [
      'All other keys in the `org.opencontainers` namespace not specified in this above table',
      'on later specifications',
    ],
  ],
  'config-linux.md': [
    [
      "The runtime MUST NOT actively manage the interface's lifecycle and configuration",
      'nothing is to happen: no event',
    ],
    ['A runtime MAY, during a particular container operation', RUNTIME_DEFINED],
    ['The value of `cgroupsPath` MUST be either an absolute path or a relative path.', 'every string is one'],
    ['Runtimes MAY consider certain `cgroupsPath` values to be invalid', RUNTIME_DEFINED],
    ['If the `/sys/kernel/cgroup/delegate` file does not exist', 'kernels since 4.15 have it'],
    [
      'If enabled (`true`), runtime MAY check if a new memory limit is lower',
      'update is no operation of runtime.md',
    ],
    ['If `intelRdt` is set, the runtime MUST write the container process ID', NO_RESCTRL],
    ['If `intelRdt` is not set, the runtime MUST NOT manipulate', NO_RESCTRL],
    ['As a special case, value `/` means that the container MUST be assigned', NO_RESCTRL],
    ['The value MUST NOT contain newlines.', NO_RESCTRL],
    ['The following rules on parameters MUST be applied:', NO_RESCTRL],
    ['If both `l3CacheSchema` and `memBwSchema` are set', NO_RESCTRL],
    ['The runtimes MUST write `l3CacheSchema` first', NO_RESCTRL],
    ['If either `l3CacheSchema` or `memBwSchema` is set', NO_RESCTRL],
    ['If `schemata` field is set', NO_RESCTRL],
    ['If none of `l3CacheSchema`, `memBwSchema` or `schemata` is set', NO_RESCTRL],
    ['If `closID` is', NO_RESCTRL],
    ['if `closID` directory in a mounted `resctrl`', NO_RESCTRL],
    ['If such pre-configured directory `closID` exists', NO_RESCTRL],
    ['If `enableMonitoring` is set', NO_RESCTRL],
    ['The runtime MUST use the container ID from `start` as the name of the MON group', NO_RESCTRL],
    ['The runtime MUST delete the MON group', NO_RESCTRL],
    ['If creation of the MON group fails', NO_RESCTRL],
  ],
};
