/** Signatures of lines, as the original writes and checks them. */
import { createHmac } from 'node:crypto';

/**
 * A request of the first protocol as a line, without its end.
 * @param json an object as `JSON.stringify` writes it
 * @param secret signs it with HMAC-SHA256
 */
export function signedLine(json: string, secret: string | null): string {
  if (secret === null) return json;
  const code = createHmac('sha256', secret).update(json).digest('hex');
  return json === '{}' ? `{"hmac":"${code}"}` : `${json.slice(0, -1)},"hmac":"${code}"}`;
}
