// Rendered on the server for every request.
export function getServerSideProps() {
  return { props: { pid: process.pid } };
}

export default function Page({ pid }) {
  return <p>{`pid ${pid}`}</p>;
}
