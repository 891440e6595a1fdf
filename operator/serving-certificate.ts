/** The certificate of the metrics endpoint: of a mounted Secret of type kubernetes.io/tls, or one of its own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';

/** PEM. */
export interface ServingCertificate {
  readonly cert: string;
  readonly key: string;
}

const selfSignedDays = 365;

/** @throws one sentence that names the file that cannot be read */
export async function mountedCertificate(directory: string): Promise<ServingCertificate> {
  const read = async (name: string): Promise<string> => {
    const file = join(directory, name);
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      throw new Error(
        `the certificate of the metrics endpoint cannot be read: ${file}: ${error instanceof Error ? error.message : String(error)}; mount a Secret of type kubernetes.io/tls there, or leave METRICS_CERT_DIR out`,
        { cause: error },
      );
    }
  };
  return { cert: await read('tls.crt'), key: await read('tls.key') };
}

/** A new key each time: whoever scrapes cannot verify it, and says so in its own settings. @param names of the endpoint in DNS */
export async function selfSignedCertificate(names: readonly string[]): Promise<ServingCertificate> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: names[0] ?? 'svctrace-operator' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + selfSignedDays * 24 * 3600 * 1000),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) },
    ],
  });
  return { cert, key };
}
