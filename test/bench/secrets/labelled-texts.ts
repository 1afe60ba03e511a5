/**
 * Texts with and without secrets, each with its label. Every secret is drawn from a seed and belongs to nobody: the set
 * holds the shapes of real ones, in the places where people leave them, and what is most like them and harmless.
 */
import { type Random, seededRandom } from "#base";

export type Labelled = {
  readonly family: string;
  readonly path: string;
  readonly text: string;
  readonly isSecret: boolean;
};

const LOWER = "abcdefghijklmnopqrstuvwxyz";
const UPPER = LOWER.toUpperCase();
const DIGITS = "0123456789";
const HEX = "0123456789abcdef";
const BASE62 = LOWER + UPPER + DIGITS;
const URL64 = `${BASE62}-_`;
const BASE64 = `${BASE62}+/`;
const WORDS =
  "harbor lantern meadow cobalt ribbon saddle timber velvet window yellow anchor basket candle dragon engine forest garden hammer island jacket kettle ladder marble needle orange pepper quartz rocket silver tunnel".split(
    " ",
  );

export class Draw {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }

  text(alphabet: string, length: number): string {
    return Array.from({ length }, () => alphabet.charAt(this.below(alphabet.length))).join("");
  }

  one<T>(choices: readonly T[]): T {
    const chosen = choices[this.below(choices.length)];
    if (chosen === undefined) throw new Error("nothing to choose from");
    return chosen;
  }

  words(count: number, between: string): string {
    return Array.from({ length: count }, () => this.one(WORDS)).join(between);
  }
}

type Family = {
  readonly name: string;
  readonly count: number;
  readonly isSecret: boolean;
  readonly make: (draw: Draw) => readonly [path: string, text: string];
};

const token = (name: string, make: (draw: Draw) => string): Family => ({
  name,
  count: 6,
  isSecret: true,
  make: (draw) => inPlace(draw, make(draw)),
});

/** Where people leave a token. */
function inPlace(draw: Draw, secret: string): readonly [string, string] {
  return draw.one([
    [
      "src/client.ts",
      `import { connect } from "./connect.ts";\nexport const client = connect({ key: "${secret}" });\n`,
    ],
    ["deploy.sh", `#!/bin/sh\ncurl -H "X-Key: ${secret}" https://service.example/v1\n`],
    [".github/workflows/ci.yml", `env:\n  SERVICE: ${secret}\nsteps: []\n`],
    ["README.md", `Call it like this:\n\n    service --key ${secret}\n`],
    ["notes.txt", `the thing for the service is ${secret} (ask before using)\n`],
  ] as const);
}

const SECRETS: readonly Family[] = [
  token("github classic", (d) => `ghp_${d.text(BASE62, 36)}`),
  token("github fine", (d) => `github_pat_${d.text(BASE62, 22)}_${d.text(BASE62, 59)}`),
  token("gitlab", (d) => `glpat-${d.text(URL64, 20)}`),
  token("aws id", (d) => `AKIA${d.text(UPPER + "234567", 16)}`),
  token("google", (d) => `AIza${d.text(URL64, 35)}`),
  token("stripe", (d) => `sk_live_${d.text(BASE62, 24)}`),
  token("openai", (d) => `sk-proj-${d.text(URL64, 74)}`),
  token("anthropic", (d) => `sk-ant-api03-${d.text(URL64, 93)}AA`),
  token("hugging face", (d) => `hf_${d.text(LOWER + UPPER, 34)}`),
  token("slack", (d) => `xoxb-${d.text(DIGITS, 12)}-${d.text(DIGITS, 13)}-${d.text(BASE62, 24)}`),
  token(
    "slack webhook",
    (d) => `https://hooks.slack.com/services/T${d.text(UPPER, 8)}/B${d.text(UPPER, 8)}/${d.text(BASE62, 24)}`,
  ),
  token("npm", (d) => `npm_${d.text(BASE62, 36)}`),
  token("sendgrid", (d) => `SG.${d.text(URL64, 22)}.${d.text(URL64, 43)}`),
  token("telegram", (d) => `${d.text("123456789", 9)}:AA${d.text(URL64, 33)}`),
  token("digitalocean", (d) => `dop_v1_${d.text(HEX, 64)}`),
  token("tailscale", (d) => `tskey-auth-${d.text(BASE62, 12)}-${d.text(BASE62, 32)}`),
  token("own token", (d) => `drv_${d.text(URL64, 43)}`),
  token("json web token", (d) => `eyJ${d.text(URL64, 33)}.eyJ${d.text(URL64, 80)}.${d.text(URL64, 43)}`),
  {
    name: "private key",
    count: 8,
    isSecret: true,
    make: (d) => {
      const kind = d.one(["RSA ", "EC ", "OPENSSH ", ""]);
      const lines = Array.from({ length: 6 }, () => d.text(BASE64, 64)).join("\n");
      return ["deploy/key", `-----BEGIN ${kind}PRIVATE KEY-----\n${lines}\n-----END ${kind}PRIVATE KEY-----\n`];
    },
  },
  {
    name: "password in url",
    count: 10,
    isSecret: true,
    make: (d) => {
      const scheme = d.one(["postgres", "mysql", "redis", "amqp", "https", "mongodb+srv"]);
      return ["src/db.ts", `const url = "${scheme}://${d.one(WORDS)}:${d.text(BASE62, 14)}@db.example.com/app";\n`];
    },
  },
  {
    name: "random under a name in code",
    count: 24,
    isSecret: true,
    make: (d) => {
      const name = d.one(["apiKey", "client_secret", "accessToken", "SIGNING_KEY", "auth_token", "webhookSecret"]);
      const value = d.one([d.text(BASE62, 32), d.text(HEX, 40), d.text(BASE64, 44), d.text(URL64, 24)]);
      return d.one([
        ["src/config.ts", `export const config = {\n  ${name}: "${value}",\n};\n`],
        ["app.py", `${name} = '${value}'\n`],
        ["config.json", `{ "${name}": "${value}", "port": 80 }\n`],
      ] as const);
    },
  },
  {
    name: "random in a settings file",
    count: 20,
    isSecret: true,
    make: (d) => {
      const name = d.one(["API_KEY", "DB_PASSWORD", "SESSION_SECRET", "GITHUB_TOKEN", "APP_ENCRYPTION_KEY"]);
      return d.one([
        ["ops/prod.env", `DEBUG=0\n${name}=${d.text(BASE62, 28)}\n`],
        ["values.yaml", `service:\n  ${name.toLowerCase()}: ${d.text(BASE62, 28)}\n`],
        ["start.sh", `export ${name}=${d.text(HEX, 32)}\n`],
      ] as const);
    },
  },
  {
    name: "password that a person chose",
    count: 16,
    isSecret: true,
    make: (d) => {
      const word = d.one(WORDS);
      const value = `${word.charAt(0).toUpperCase()}${word.slice(1)}${d.text(DIGITS, 3)}${d.one(["!", "$", "#", "?"])}${d.one(WORDS)}`;
      return d.one([
        ["src/login.ts", `login({ user: "admin", password: "${value}" });\n`],
        ["ops/db.ini", `[db]\nuser = app\npassword = ${value}\n`],
      ] as const);
    },
  },
];

const HARMLESS: readonly Family[] = [
  {
    name: "digest",
    count: 14,
    isSecret: false,
    make: (d) => [
      "build/pins.ts",
      `export const SHA256 = "${d.text(HEX, 64)}";\nexport const COMMIT = "${d.text(HEX, 40)}";\n`,
    ],
  },
  {
    name: "lock file",
    count: 10,
    isSecret: false,
    make: (d) => ["package-lock.json", `{ "integrity": "sha512-${d.text(BASE64, 86)}==", "token": "1.0.0" }\n`],
  },
  {
    name: "read from the environment",
    count: 16,
    isSecret: false,
    make: (d) => {
      const name = d.one(["API_KEY", "GITHUB_TOKEN", "DB_PASSWORD"]);
      return d.one([
        ["src/a.ts", `const apiKey = process.env.${name} ?? "";\nconst token = config.auth.token;\n`],
        ["ci.yml", `env:\n  ${name}: \${{ secrets.${name} }}\n`],
        ["run.sh", `export ${name}="$${name}"\nTOKEN=$(cat /run/secrets/token)\n`],
        ["main.tf", `password = var.${name.toLowerCase()}\n`],
      ] as const);
    },
  },
  {
    name: "stand-in",
    count: 20,
    isSecret: false,
    make: (d) => {
      const value = d.one([
        "your-api-key-here",
        "<token>",
        "changeme-please",
        "xxxxxxxxxxxxxxxxxxxx",
        "REPLACE_WITH_TOKEN",
        "sk-example-000000000000",
        "********************",
        "test-token-for-unit-tests",
      ]);
      return d.one([
        ["src/a.ts", `const apiKey = "${value}";\n`],
        ["config.env.example", `API_KEY=${value}\nPASSWORD=${value}\n`],
        ["docs/setup.md", `Set \`token = "${value}"\` first.\n`],
      ] as const);
    },
  },
  {
    name: "words with secretive names",
    count: 24,
    isSecret: false,
    make: (d) =>
      d.one([
        ["src/a.ts", `const tokenKind = "${d.words(2, "-")}";\nconst secretName = "${d.words(2, "_")}";\n`],
        ["src/b.ts", `const maxTokens = "${d.text(DIGITS, 6)}";\nexport const passwordError = "${d.words(4, " ")}";\n`],
        ["src/c.ts", `const labels = { password: "Password", token: "${d.words(3, " ")}" };\n`],
        ["src/d.ts", `const tokenFile = "/etc/${d.one(WORDS)}/${d.one(WORDS)}.token";\n`],
        ["values.yaml", `secretName: ${d.words(2, "-")}\npasswordKey: ${d.one(WORDS)}-password\n`],
      ] as const),
  },
  {
    name: "long names and paths",
    count: 20,
    isSecret: false,
    make: (d) =>
      d.one([
        ["src/a.ts", `import x from "${d.words(3, "/")}/${d.words(3, "-")}/${d.words(2, "_")}.ts";\n`],
        ["src/b.ts", `const key = "${d.words(7, "-")}";\n`],
        ["src/c.ts", `export const description = "${d.words(12, " ")}";\n`],
        ["src/d.ts", `const className = "${d.words(6, "")}";\n`],
      ] as const),
  },
  {
    name: "ids",
    count: 16,
    isSecret: false,
    make: (d) =>
      d.one([
        [
          "src/a.ts",
          `const id = "${d.text(HEX, 8)}-${d.text(HEX, 4)}-4${d.text(HEX, 3)}-a${d.text(HEX, 3)}-${d.text(HEX, 12)}";\n`,
        ],
        ["src/b.ts", `const taskId = "t_${d.text(LOWER + DIGITS, 20)}";\n`],
        ["go.sum", `github.com/a/b v1.2.3 h1:${d.text(BASE64, 43)}=\n`],
        ["key.pub", `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA${d.text(BASE64, 43)} somebody\n`],
        ["cert.pem", `-----BEGIN PUBLIC KEY-----\n${d.text(BASE64, 60)}\n-----END PUBLIC KEY-----\n`],
      ] as const),
  },
  {
    name: "types and patterns",
    count: 16,
    isSecret: false,
    make: (d) =>
      d.one([
        ["src/a.ts", `type Login = { readonly password: string; readonly token: string | undefined };\n`],
        ["src/b.ts", "const TOKEN = /^gh[pousr]_[A-Za-z0-9]{36}$/;\nconst KEY = /sk-[a-z]{20}/;\n"],
        ["src/c.ts", `const url = \`https://\${user}:\${password}@${d.one(WORDS)}.example/\`;\n`],
        [
          "src/d.ts",
          "headers.set('Authorization', `Bearer ${token}`);\nif (password.length < 8) throw new Error('password too short');\n",
        ],
        ["schema.sql", "CREATE TABLE user (password_hash TEXT NOT NULL, token_count INTEGER);\n"],
      ] as const),
  },
  {
    name: "plain code and prose",
    count: 24,
    isSecret: false,
    make: (d) =>
      d.one([
        [
          "src/a.ts",
          `export function ${d.words(2, "_")}(x: number): number {\n  return x * ${d.text(DIGITS, 3)};\n}\n`,
        ],
        ["README.md", `# ${d.words(3, " ")}\n\n${d.words(30, " ")}. See https://example.com/${d.words(3, "/")}.\n`],
        ["data.csv", `${d.text(DIGITS, 8)},${d.words(2, " ")},${d.text(DIGITS, 4)}\n`],
        ["page.html", `<img src="data:image/png;base64,${d.text(BASE64, 80)}">\n`],
        ["style.css", `.${d.words(3, "-")} { background: url(${d.words(2, "/")}.png) }\n`],
      ] as const),
  },
];

/** @returns the labelled texts of a seed: the same ones for the same seed. */
export function labelledTexts(seed: number): readonly Labelled[] {
  const draw = new Draw(seed);
  return [...SECRETS, ...HARMLESS].flatMap(({ name, count, isSecret, make }) =>
    Array.from({ length: count }, () => {
      const [path, text] = make(draw);
      return { family: name, path, text, isSecret };
    }),
  );
}
