/** The processor of this machine in the OCI's (Go's) words. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

export function hostArchitecture(): string {
  return ARCHITECTURES[process.arch] ?? process.arch;
}
