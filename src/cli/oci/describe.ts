/** A container as `state` and `list` show it. */
import { type BundleContainer, OCI_VERSION } from '../../runtime/bundle/record.ts';

/** runtime.md, State, with what runc adds. */
export function describeContainer(container: BundleContainer) {
  const { id, status, process, bundle, rootfs, createdAtMs, spec, owner } = container;
  return {
    ociVersion: OCI_VERSION,
    id,
    pid: status === 'stopped' ? 0 : (process?.pid ?? 0),
    status,
    bundle,
    rootfs,
    created: new Date(createdAtMs).toISOString(),
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
    owner,
  };
}
