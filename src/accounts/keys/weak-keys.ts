const MIN_LENGTH = 32; // characters
const MIN_DISTINCT = 8; // of 32 random hex digits, 14 are distinct; fewer than 8 are not to be seen
// As `simplify` leaves them. No random key of a sensible alphabet holds one of these by chance.
const EXAMPLE_WORDS = [
  "changeme",
  "changethis",
  "changeit",
  "replaceme",
  "replacethis",
  "votrenouvellecle",
  "votrecle",
  "votresecret",
  "maclesecrete",
  "clesecrete",
  "yoursecret",
  "yourjwtsecret",
  "yourkey",
  "yoursupersecret",
  "your256bit",
  "your512bit",
  "mysecret",
  "myjwtsecret",
  "supersecret",
  "topsecret",
  "secretkey",
  "jwtsecret",
  "astringsecretatleast",
  "insecure",
  "password",
  "placeholder",
  "examplekey",
  "exemple",
  "0123456789abcdef",
  "abcdefghijklmnop",
  "fischlvonluftschloss", // the JWT examples of Elysia
  "09d25e094faa6ca2556c818166b7a956", // the tutorial of FastAPI
];

/** Says why a secret key isn't safe: too short, too plain, or one that an example has made known; null when it is. */
export function findKeyWeakness(key: string): string | null {
  const simple = simplify(key);
  if (EXAMPLE_WORDS.some((word) => simple.includes(word)) || simple === "secret")
    return "it is an example that anybody knows";
  if (key.length < MIN_LENGTH) return `it has fewer than ${MIN_LENGTH} characters`;
  const isRepeated = (key + key).indexOf(key, 1) <= key.length / 2;
  return new Set(key).size < MIN_DISTINCT || isRepeated ? "it repeats few characters" : null;
}

/** Small letters and digits alone, without accents: "Votre nouvelle clé" is "votrenouvellecle". */
function simplify(key: string): string {
  return key
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "");
}
