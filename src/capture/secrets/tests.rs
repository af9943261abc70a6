//! What is masked of command lines, values and texts, and what stays.

use super::*;

fn check(arguments: &[&str], expected: &[&str]) {
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    assert_eq!(masked(&arguments), expected);
}

#[test]
fn what_looks_like_a_credential_is_masked() {
    check(&["x", "--password", "hunter2", "-v"], &["x", "--password", "***", "-v"]);
    check(&["x", "--pwd", "hunter18", "-v"], &["x", "--pwd", "***", "-v"]);
    check(&["x", "--api-key=abc", "DB_PASSWORD=abc"], &["x", "--api-key=***", "DB_PASSWORD=***"]);
    check(&["psql", "postgres://me:pw@host/db"], &["psql", "postgres://me:***@host/db"]);
    check(&["curl", "https://h/x?token=abc&n=1"], &["curl", "https://h/x?token=***&n=1"]);
    check(&["x", "ghp_abcdefghijklmnopqrstuvwxyz0123"], &["x", "***"]);
    check(&["x", "--dsn=host=h user=me password=abc"], &["x", "--dsn=host=h user=me password=***"]);
    check(&["x", "--config", "{\"password\": \"a b\"}"], &["x", "--config", "{\"password\": \"***\"}"]);
}

#[test]
fn passwords_behind_the_short_options_of_programs_are_masked() {
    for (said, expected) in [
        ("mysql -uroot -pabc db", "mysql -uroot -p*** db"),
        ("/usr/bin/mysqldump -p db", "/usr/bin/mysqldump -p db"),
        ("mysqlsh -u u -p abc h", "mysqlsh -u u -p *** h"),
        ("mycli -pabc db", "mycli -p*** db"),
        ("mysql -p$ecret db", "mysql -p*** db"),
        ("x --http-auth u:abc", "x --http-auth ***"),
        ("docker login -u u -p abc r", "docker login -u u -p *** r"),
        ("docker run -p 80:80 image", "docker run -p 80:80 image"),
        ("sshpass -p abc ssh -p 22 h", "sshpass -p *** ssh -p 22 h"),
        ("sshpass -pabc mysql -px", "sshpass -p*** mysql -p***"),
        ("redis-cli -h h -a abc get k", "redis-cli -h h -a *** get k"),
        ("unzip -Pabc a.zip -d out", "unzip -P*** a.zip -d out"),
        ("zip -r -P abc a.zip in", "zip -r -P *** a.zip in"),
        ("7z x -pabc a.7z", "7z x -p*** a.7z"),
        ("openssl enc -k abc -in f", "openssl enc -k *** -in f"),
        ("smbclient -U u%abc //h/s", "smbclient -U u%*** //h/s"),
        ("http -a u:abc h", "http -a u:*** h"),
        ("aws configure set aws_secret_access_key abc", "aws configure set aws_secret_access_key ***"),
        ("aws configure set region eu-1", "aws configure set region eu-1"),
        ("lineage param api_key abc", "lineage param api_key ***"),
        ("lineage param max_tokens 512", "lineage param max_tokens 512"),
        ("git config --global github.token abc", "git config --global github.token ***"),
        ("git config --global credential.helper store", "git config --global credential.helper store"),
        ("dvc remote modify r password abc", "dvc remote modify r password ***"),
        ("wandb login --relogin abc", "wandb login --relogin ***"),
        ("wandb login --host https://h abc", "wandb login --host https://h abc"),
        ("x --wandb_key abc --hf_key=abc --comet_key abc", "x --wandb_key *** --hf_key=*** --comet_key ***"),
        ("vault login -method=userpass username=me", "vault login -method=userpass username=me"),
        ("vault login abc", "vault login ***"),
        ("glab auth login -t abc", "glab auth login -t ***"),
        ("curl -b session=abc -b jar.txt --pass abc h", "curl -b session=*** -b jar.txt --pass *** h"),
        (
            "curl --cert c.pem:abc --cert-type PEM -E c.pem h",
            "curl --cert c.pem:*** --cert-type PEM -E c.pem h",
        ),
        (
            "openssl rsa -passin pass:abc -passout env:P -in k",
            "openssl rsa -passin pass:*** -passout env:P -in k",
        ),
        ("openssl enc -pass pass:abc -k abc", "openssl enc -pass pass:*** -k ***"),
        ("ssh-keygen -t rsa -N abc -f k", "ssh-keygen -t rsa -N *** -f k"),
        ("twine upload -u u -p abc dist/x", "twine upload -u u -p *** dist/x"),
        ("sqlcmd -S h -U u -P abc", "sqlcmd -S h -U u -P ***"),
        ("bcp t out f -Pabc", "bcp t out f -P***"),
        ("sqlplus -s u/abc@db @run/x.sql", "sqlplus -s u/*** @run/x.sql"),
        ("sqlplus /nolog @run/x.sql", "sqlplus /nolog @run/x.sql"),
        (
            "skopeo copy --src-creds u:abc --dest-creds=u:abc a b",
            "skopeo copy --src-creds u:*** --dest-creds=u:*** a b",
        ),
        ("lftp -u u,abc h", "lftp -u u,*** h"),
        ("cp -p a b", "cp -p a b"),
        ("x --license-key abc --bearer abc --cookie s=abc", "x --license-key *** --bearer *** --cookie ***"),
        ("DB_PASS=abc rclone --sftp-pass abc --db-pw abc", "DB_PASS=*** rclone --sftp-pass *** --db-pw ***"),
        ("ffmpeg -pass 1 --first-pass 2", "ffmpeg -pass 1 --first-pass 2"),
    ] {
        let words: Vec<&str> = said.split(' ').collect();
        check(&words, &expected.split(' ').collect::<Vec<_>>());
        check(
            &["sh", "-c", &format!("true; {said} && true")],
            &["sh", "-c", &format!("true; {expected} && true")],
        );
    }
    for said in [
        "openssl req -key key.pem -keyout k2",
        "load.py --db mysql -port 3306 -pretrained x",
        "cat.py --source zip -P 8 --scheme http -a model.bin:v2",
        "mysql -p\"$PW\" db",
        "wandb login $KEY",
        "wandb sync run-1",
        "train.py --wandb login name",
        "ssh-keygen -lf k.pub",
        "curl --passive -o b=c h",
        "git config user.name me",
        "lineage metric acc 1",
        "filter.py --band-pass 0.5-40 --high-pass butter --render-pass diffuse band_pass=0.5-40",
    ] {
        let words: Vec<&str> = said.split(' ').collect();
        check(&words, &words);
        check(&["sh", "-c", said], &["sh", "-c", said]);
    }
    for (said, expected) in [
        ("sudo -u me mysql -pabc", "sudo -u me mysql -p***"),
        ("docker exec db mysql -uroot -pabc", "docker exec db mysql -uroot -p***"),
        ("A=1 redis-cli -a abc", "A=1 redis-cli -a ***"),
        ("ssh -i key h mysqldump -pabc db", "ssh -i key h mysqldump -p*** db"),
    ] {
        check(&["sh", "-c", said], &["sh", "-c", expected]);
    }
    check(
        &["python", "-c", "t.pad_token = t.eos_token; password = value"],
        &["python", "-c", "t.pad_token = t.eos_token; password = value"],
    );
    check(&["perl", "-e", "my $password = \"abc\";"], &["perl", "-e", "my $password = \"***\";"]);
    check(&["sh", "-c", "test $x = abc"], &["sh", "-c", "test $x = abc"]);
}

#[test]
fn of_urls_what_opens_them_is_masked_and_names_stay() {
    for (url, expected) in [
        ("s3://AKIA:hunter9@b/k", "s3://AKIA:***@b/k"),
        ("https://abc@h/r", "https://***@h/r"),
        ("ssh://git@h/r", "ssh://git@h/r"),
        ("abfss://container@account/p", "abfss://container@account/p"),
        ("https://h/x?n=1&sslpassword=zzz#p", "https://h/x?n=1&sslpassword=***#p"),
        ("https://h/x?sv=1&sig=abc", "https://h/x?sv=1&sig=***"),
        ("https://h/x#access_token=abc&n=1", "https://h/x#access_token=***&n=1"),
        (
            "https://h/x?X-Amz-Credential=a&X-Amz-Signature=b",
            "https://h/x?X-Amz-Credential=***&X-Amz-Signature=***",
        ),
        ("https://h/x?secret_dim=3", "https://h/x?secret_dim=3"),
        ("https://h/?key=hunter33&n=1", "https://h/?key=***&n=1"),
        ("https://h/?key=0123456789abcdef-_X", "https://h/?key=***"),
        ("https://h/?auth=hunter33", "https://h/?auth=***"),
        ("https://h/?x=ghp_abcdefghijklmnopqrstuvwxyz0123", "https://h/?x=***"),
        ("https://h/?key=train&auth=true", "https://h/?key=train&auth=true"),
        ("https://h/?key=data/part-1.csv", "https://h/?key=data/part-1.csv"),
        ("https://h/?key=part0001", "https://h/?key=part0001"),
        ("jdbc:sqlserver://h:1;user=u;password=p;n=1", "jdbc:sqlserver://h:1;user=u;password=***;n=1"),
    ] {
        assert_eq!(masked_word(url), expected);
        assert_eq!(masked_word(expected), expected);
    }
}

#[test]
fn among_several_values_in_a_word_the_secret_ones_are_masked() {
    for (word, expected) in [
        ("Server=h;Password=hunter35", "Server=h;Password=***"),
        ("Server=h;PWD=a=b;Database=d", "Server=h;PWD=***;Database=d"),
        ("Server=h;Password={a;b=c};Database=d;", "Server=h;Password=***;Database=d;"),
        ("Server=h;Password=a;b", "Server=h;Password=***"),
        ("--dsn=Server=h;Password=a", "--dsn=Server=h;Password=***"),
        ("user=me&password=a&n=1", "user=me&password=***&n=1"),
        ("n=1,token=abc", "n=1,token=***"),
        ("n=1;key=value,secret_dim=3", "n=1;key=value,secret_dim=3"),
    ] {
        assert_eq!(masked_word(word), expected);
        assert_eq!(masked_word(expected), expected);
    }
    assert_eq!(masked_value("conn", "Server=h;Password=x"), "Server=h;Password=***");
}

#[test]
fn in_a_text_for_people_the_secret_words_are_masked_and_no_others() {
    for (text, expected) in [
        ("curl -u u:hunter52 https://h", "curl -u u:*** https://h"),
        ("see https://u:hunter48@h, password=hunter60\n", "see https://u:***@h, password=***\n"),
        ("its password: hunter65 and  more", "its password: *** and  more"),
        ("password = hunter65, user = me", "password = *** user = me"),
        ("password: 'a b' it's", "password: '***' it's"),
        ("password=\"a b\" x", "password=*** x"),
        ("x --token abc -v", "x --token *** -v"),
        ("-H 'Authorization: Bearer abc' u", "-H 'Authorization: Bearer ***' u"),
        ("{\"password\": \"a\", \"n\": 1}", "{\"password\": \"***\", \"n\": 1}"),
        ("Server=h;Password=hunter35", "Server=h;Password=***"),
        ("it's key=value, secret_dim=3: --key-column id", "it's key=value, secret_dim=3: --key-column id"),
        ("the token is 'a word', don't: pad_token: <pad>", "the token is 'a word', don't: pad_token: <pad>"),
        ("max_tokens: 512, in /a/b", "max_tokens: 512, in /a/b"),
    ] {
        assert_eq!(masked_prose(text), expected);
        assert_eq!(masked_prose(expected), expected);
    }
}

#[test]
fn the_value_of_a_parameter_is_masked_by_its_name_and_by_what_is_in_it() {
    for (name, value, expected) in [
        ("password", "a b", "***"),
        ("secret_dim", "3", "3"),
        ("cfg", "{\"password\": \"hunter5\"}", "{\"password\": \"***\"}"),
        ("url", "https://u:p@h/", "https://u:***@h/"),
        ("command", "x --password p -v", "x --password *** -v"),
        ("cfg", "lr: 0.1\ndb:\n  password: a b\nn: 1", "lr: 0.1\ndb:\n  password: ***\nn: 1"),
        ("headers", "{\"Authorization\":\"Bearer p\"}", "{\"Authorization\":\"***\"}"),
        ("cfg", "{\"args\":[\"--password\",\"p\"]}", "{\"args\":[\"--password\",\"***\"]}"),
        ("note", "a = b", "a = b"),
    ] {
        assert_eq!(masked_value(name, value), expected, "{name}");
    }
}

#[test]
fn headers_and_users_of_curl_are_masked_and_say_of_what_sort_they_are() {
    check(&["curl", "-H", "Authorization: Bearer abc"], &["curl", "-H", "Authorization: Bearer ***"]);
    check(&["curl", "-HX-Api-Key: abc", "u"], &["curl", "-HX-Api-Key: ***", "u"]);
    check(&["curl", "--header=Cookie: a=b; c=d"], &["curl", "--header=Cookie: ***"]);
    check(&["curl", "-H", "Accept: text/html"], &["curl", "-H", "Accept: text/html"]);
    check(&["/usr/bin/curl", "-s", "-u", "me:pw", "u"], &["/usr/bin/curl", "-s", "-u", "me:***", "u"]);
    check(&["docker", "run", "-u", "1000:1000"], &["docker", "run", "-u", "1000:1000"]);
    check(&["curl", "-ume:pw", "--user=me:pw"], &["curl", "-ume:***", "--user=me:***"]);
    check(&["curl", "-sSu", "me:p:w", "u"], &["curl", "-sSu", "me:***", "u"]);
    // A name alone, an option with a value of its own, and what only looks like one.
    let plain = ["curl", "-ume", "-output:x", "--user-agent=a:b", "-o", "u:x", "--url=http://h:80/"];
    check(&plain, &plain);
    check(&["docker", "run", "-e", "PASSWORD=two words"], &["docker", "run", "-e", "PASSWORD=***"]);
}

#[test]
fn in_a_script_only_the_secret_words_are_masked() {
    let scripts = [
        (": --token abc123", ": --token ***"),
        ("echo --password=x and the rest", "echo --password=*** and the rest"),
        (
            "API_TOKEN=x python a.py --lr 3; echo $API_TOKEN",
            "API_TOKEN=*** python a.py --lr 3; echo $API_TOKEN",
        ),
        ("x --password='a b' c >out", "x --password=*** c >out"),
        ("x --password 'a b' && y", "x --password '***' && y"),
        ("curl -H 'Authorization: Bearer abc' u|jq .", "curl -H 'Authorization: Bearer ***' u|jq ."),
        ("sh -c \"x --token abc; y\"", "sh -c \"x --token ***; y\""),
        ("git clone https://me:pw@h/r && make", "git clone https://me:***@h/r && make"),
        ("x --token; y abc", "x --token; y abc"),
        ("ssh-keygen -N '' -f k", "ssh-keygen -N '' -f k"),
        ("for f in *.txt; do wc -l $f; done", "for f in *.txt; do wc -l $f; done"),
    ];
    for (script, expected) in scripts {
        check(&["sh", "-c", script], &["sh", "-c", expected]);
    }
    // An argument that is no script is secret to its end.
    check(&["x", "--password=two words"], &["x", "--password=***"]);
    check(&["x", "--note", "the token is fine"], &["x", "--note", "the token is fine"]);
}

proptest::proptest! {
    #[test]
    fn of_users_of_curl_the_password_is_masked_and_no_more(
        flags in "[skvL]{0,3}",
        letter in "[uU]",
        long in proptest::sample::select(vec!["--user", "--proxy-user"]),
        user in "[a-z]{1,6}",
        password in "[a-z0-9:]{1,8}",
    ) {
        let said = format!("{user}:{password}");
        let shown = format!("{user}:{MASK}");
        let short = format!("-{flags}{letter}");
        for (words, expected) in [
            (vec![format!("{short}{said}")], vec![format!("{short}{shown}")]),
            (vec![short.clone(), said.clone()], vec![short.clone(), shown.clone()]),
            (vec![format!("{long}={said}")], vec![format!("{long}={shown}")]),
            (vec![long.to_owned(), said.clone()], vec![long.to_owned(), shown.clone()]),
        ] {
            let of = |words: &[String]| [&["curl".to_owned()], words, &["https://h/".to_owned()]].concat();
            proptest::prop_assert_eq!(masked(&of(&words)), of(&expected));
            // The same in a script.
            let script = |words: &[String]| vec!["sh".to_owned(), "-c".to_owned(), of(words).join(" ")];
            proptest::prop_assert_eq!(masked(&script(&words)), script(&expected));
            // Of another program they are no passwords.
            let other = [&["id".to_owned()], words.as_slice()].concat();
            proptest::prop_assert_eq!(masked(&other), other);
        }
    }

    #[test]
    fn masking_is_stable_and_changes_nothing_but_by_masks(script in "[-a-z=:'\"; |\\\\]{0,40}") {
        let words = [String::from("sh"), String::from("-c"), script];
        let once = masked(&words);
        proptest::prop_assert_eq!(once[2].contains(MASK), once[2] != words[2]);
        proptest::prop_assert_eq!(masked(&once), once);
    }
}

#[test]
fn everything_else_stays_as_it_is() {
    let plain = [
        "python",
        "train.py",
        "--epochs",
        "3",
        "--max-tokens",
        "512",
        "--tokenizer",
        "bert",
        "--key-column",
        "id",
        "--pwd",
        "/work",
        "hf://a/b",
        "a=b",
    ];
    check(&plain, &plain);
}
